{{/* The labels by which pods are found. Takes root and part. */}}
{{- define "tidemark.selector" -}}
app.kubernetes.io/name: tidemark
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "tidemark.labels" -}}
{{ include "tidemark.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tidemark.metadata" -}}
name: {{ .root.Release.Name }}-{{ .part }}
labels: {{- include "tidemark.labels" . | nindent 2 }}
{{- end }}

{{- define "tidemark.bootstrap" -}}
{{- if .Values.kafka.strimzi.enabled }}{{ .Release.Name }}-kafka-bootstrap:9092{{ else }}{{ .Values.kafka.bootstrapServers }}{{ end }}
{{- end }}

{{/* Numbers of a values file are floats: as JSON they keep their digits, and lists are what a setting wants. */}}
{{- define "tidemark.env" -}}
{{- $values := .root.Values }}
- {name: TIDEMARK_KAFKA_BOOTSTRAP_SERVERS, value: {{ include "tidemark.bootstrap" .root | quote }}}
- {name: TIDEMARK_KAFKA_REPLICATION_FACTOR, value: {{ toJson $values.kafka.replicationFactor | quote }}}
- {name: TIDEMARK_TOPIC_PREFIX, value: {{ $values.kafka.topicPrefix | quote }}}
- {name: TIDEMARK_INFLUXDB_URL, value: {{ $values.influxdb.url | quote }}}
- {name: TIDEMARK_INFLUXDB_ORG, value: {{ $values.influxdb.org | quote }}}
- {name: TIDEMARK_INFLUXDB_BUCKET, value: {{ $values.influxdb.bucket | quote }}}
{{- if .secrets }}
- {name: TIDEMARK_SECRETS_DIR, value: /run/secrets/tidemark}
{{- end }}
{{- if eq .part "ingestion" }}
- {name: TIDEMARK_INGESTION_WORKERS, value: {{ toJson $values.ingestion.workers | quote }}}
{{- end }}
{{- $own := printf "TIDEMARK_%s_" (upper .part) }}
{{- range $name, $value := $values.settings }}
{{- if or (hasPrefix $own $name) (not (regexMatch "^TIDEMARK_(GATEWAY|INGESTION)_" $name)) }}
- {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/*
A pod of one container. Takes root; part, its name in the values too; args; secrets, keys of the Secret; port, of its
HTTP besides that of the metrics; startup, liveness, readiness: paths; and disk, a volume that is there otherwise.
*/}}
{{- define "tidemark.pod" -}}
metadata:
  labels: {{- include "tidemark.labels" . | nindent 4 }}
spec:
  {{- if eq .part "init" }}
  restartPolicy: OnFailure
  {{- else }}
  serviceAccountName: {{ .root.Release.Name }}
  {{- end }}
  automountServiceAccountToken: false
  # A Service's address as TIDEMARK_GATEWAY_PORT=tcp://… would be a wrong setting.
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}
  {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  terminationGracePeriodSeconds: 45
  {{- if ne .part "init" }}
  topologySpreadConstraints:
    {{- $selector := include "tidemark.selector" . }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- $selector | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env: {{- include "tidemark.env" . | trim | nindent 8 }}
      {{- if ne .part "init" }}
      ports:
        {{- with .port }}
        - {name: http, containerPort: {{ . }}}
        {{- end }}
        - {name: metrics, containerPort: 9101}
      {{- $port := hasKey . "port" | ternary "http" "metrics" }}
      startupProbe:
        httpGet: {path: {{ .startup }}, port: {{ $port }}}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: {{ .liveness }}, port: {{ $port }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: {{ .readiness }}, port: {{ $port }}}
        periodSeconds: 5
        timeoutSeconds: 4
      {{- if .port }}
      # Whoever sends requests here must have heard first that it ends.
      lifecycle: {preStop: {sleep: {seconds: 5}}}
      {{- end }}
      {{- end }}
      resources: {{- toYaml (index .root.Values .part).resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: data, mountPath: /var/lib/tidemark}
        {{- if .secrets }}
        - {name: secrets, mountPath: /run/secrets/tidemark, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
    {{- if not .disk }}
    - {name: data, emptyDir: {sizeLimit: 256Mi}}
    {{- end }}
    {{- if .secrets }}
    - name: secrets
      secret:
        secretName: {{ .root.Values.existingSecret }}
        defaultMode: 0440
        items: {{- range .secrets }}
          - {key: {{ . }}, path: {{ . }}}
        {{- end }}
    {{- end }}
{{- end }}
