# One image for all parts of Tidemark: `docker build --tag tidemark .`; `--target kafka`: Kafka, telling its metrics.
# Base images are pinned by version; name digests here if you keep a registry of your own.

FROM node:24.19.0-bookworm-slim AS page
WORKDIR /build/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY dashboard ./
RUN npm run build -- --logLevel warn && gzip --best --keep dist/assets/*.js dist/assets/*.css
RUN npm run build:tracker -- --logLevel warn

FROM python:3.11.14-slim-bookworm AS wheel
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock ./
RUN pip wheel --require-hashes --no-deps --wheel-dir wheels --requirement requirements.lock
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-index --find-links wheels mypy setuptools
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir made .
RUN python -m venv /opt/tidemark && /opt/tidemark/bin/pip install --no-index --find-links wheels made/tidemark-*.whl
# Without a compiler the windows would run uncompiled, slower, and nobody would know. From /opt: here they are sources.
WORKDIR /opt
RUN /opt/tidemark/bin/python -c "import streams.windows.partition as p; assert p.__file__.endswith('.so'), p.__file__"

FROM maven:3.9.11-eclipse-temurin-17 AS exporter
WORKDIR /build
RUN mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact=io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1 -DoutputDirectory=exporter && \
    echo "7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1  exporter/jmx_prometheus_javaagent-1.0.1.jar" | \
    sha256sum --check

FROM apache/kafka:4.1.1 AS kafka
COPY --from=exporter /build/exporter /opt/jmx-exporter
COPY monitoring/kafka/exporter.yaml /opt/jmx-exporter/

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 tidemark && \
    useradd --uid 10001 --gid tidemark --home-dir /var/lib/tidemark --create-home --shell /usr/sbin/nologin tidemark
COPY --from=wheel /opt/tidemark /opt/tidemark
COPY --from=page /build/dashboard/dist /opt/tidemark/share/dashboard
COPY --from=page /build/dashboard/dist-tracker /opt/tidemark/share/tracker
# A container has a network of its own: what of it can be reached, who runs it decides.
ENV PATH=/opt/tidemark/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDEMARK_DATA_DIR=/var/lib/tidemark \
    TIDEMARK_GATEWAY_HOST=0.0.0.0 \
    TIDEMARK_GATEWAY_DASHBOARD=/opt/tidemark/share/dashboard \
    TIDEMARK_INGESTION_HOST=0.0.0.0 \
    TIDEMARK_INGESTION_TRACKER=/opt/tidemark/share/tracker/tidemark.js \
    TIDEMARK_METRICS_HOST=0.0.0.0 \
    TIDEMARK_METRICS_PORT=9101
WORKDIR /var/lib/tidemark
USER 10001:10001
EXPOSE 8000 8082 9101
ENTRYPOINT ["tidemark", "--json"]
CMD ["--help"]
