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

{{/* Numbers of a values file are floats: as JSON they keep their digits, and lists are what a setting wants. */}}
{{- define "tidemark.env" -}}
{{- $values := .root.Values }}
- {name: TIDEMARK_KAFKA_BOOTSTRAP_SERVERS, value: {{ include "tidemark.bootstrap" .root | quote }}}
- {name: TIDEMARK_KAFKA_REPLICATION_FACTOR, value: {{ toJson $values.kafka.replicationFactor | quote }}}
- {name: TIDEMARK_TOPIC_PREFIX, value: {{ $values.kafka.topicPrefix | quote }}}
- {name: TIDEMARK_INFLUXDB_URL, value: {{ $values.influxdb.url | quote }}}
- {name: TIDEMARK_INFLUXDB_ORG, value: {{ $values.influxdb.org | quote }}}
- {name: TIDEMARK_INFLUXDB_BUCKET, value: {{ $values.influxdb.bucket | quote }}}
{{- include "tidemark.kafka.env" . }}
{{- if (include "tidemark.sources" . | fromYaml).sources }}
- {name: TIDEMARK_SECRETS_DIR, value: /etc/tidemark}
{{- end }}
{{- if .rules }}
- {name: TIDEMARK_ALERT_RULES, value: /etc/tidemark/rules.toml}
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
A pod of one container. Takes root; part, its name in the values too; args; secrets, keys of its Secret; port, of its
HTTP besides that of the metrics; startup, liveness, readiness: paths; disk, a volume that is there otherwise; and
rules, those of the alerts.
*/}}
{{- define "tidemark.pod" -}}
{{- $sources := (include "tidemark.sources" . | fromYaml).sources -}}
metadata:
  labels: {{- include "tidemark.labels" . | nindent 4 }}
  {{- with .rules }}
  # They are read at the start only: others are another pod.
  annotations: {checksum/rules: {{ sha256sum . }}}
  {{- end }}
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
        {{- if $sources }}
        - {name: files, mountPath: /etc/tidemark, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
    {{- if not .disk }}
    - {name: data, emptyDir: {sizeLimit: 256Mi}}
    {{- end }}
    {{- with $sources }}
    - name: files
      projected:
        defaultMode: 0440
        sources: {{- toYaml . | nindent 10 }}
    {{- end }}
{{- end }}
