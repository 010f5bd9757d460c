{{/* With its namespace: others, KEDA's for instance, ask there too. */}}
{{- define "tidemark.bootstrap" -}}
{{- if .Values.kafka.strimzi.enabled }}{{ .Release.Name }}-kafka-bootstrap.{{ .Release.Namespace }}.svc:9093{{ else }}{{ .Values.kafka.bootstrapServers }}{{ end }}
{{- end }}

{{/* How a client is let in, as JSON: what the values say of a Kafka that is there, what Strimzi makes otherwise. */}}
{{- define "tidemark.security" -}}
{{- if .Values.kafka.strimzi.enabled }}
{{- $ca := dict "secret" (printf "%s-cluster-ca-cert" .Release.Name) "key" "ca.crt" }}
{{- dict "protocol" "SASL_SSL" "mechanism" "SCRAM-SHA-512" "ca" $ca | toJson }}
{{- else }}
{{- toJson .Values.kafka.security }}
{{- end }}
{{- end }}

{{/* A part's user of Strimzi, and the Secret with its password. Takes root and part. */}}
{{- define "tidemark.user" -}}
{{ .root.Release.Name }}-kafka-{{ .part }}
{{- end }}

{{- define "tidemark.secret" -}}
{{ (index .root.Values .part).existingSecret | default .root.Values.existingSecret }}
{{- end }}

{{- define "tidemark.kafka.env" }}
{{- $security := include "tidemark.security" .root | fromJson }}
- {name: TIDEMARK_KAFKA_SECURITY_PROTOCOL, value: {{ $security.protocol }}}
{{- if hasPrefix "SASL" $security.protocol }}
- {name: TIDEMARK_KAFKA_SASL_MECHANISM, value: {{ $security.mechanism }}}
{{- end }}
{{- if .root.Values.kafka.strimzi.enabled }}
- {name: TIDEMARK_KAFKA_USERNAME, value: {{ include "tidemark.user" . }}}
{{- end }}
{{- if $security.ca.secret }}
- {name: TIDEMARK_KAFKA_CA_CERTIFICATE, value: /etc/tidemark/kafka-ca.crt}
{{- end }}
{{- end }}

{{/* Where the files of a part come from: its secrets, who signs the brokers' certificates, and rules. */}}
{{- define "tidemark.sources" -}}
{{- $security := include "tidemark.security" .root | fromJson }}
{{- $strimzi := .root.Values.kafka.strimzi.enabled }}
{{- $keys := .secrets | default list }}
{{- if and (hasPrefix "SASL" $security.protocol) (not $strimzi) }}
{{- $keys = concat $keys (list "tidemark_kafka_username" "tidemark_kafka_password") }}
{{- end }}
sources:
{{- if $keys }}
  - secret:
      name: {{ include "tidemark.secret" . }}
      items: {{- range $keys }}
        - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- if $strimzi }}
  - secret: {name: {{ include "tidemark.user" . }}, items: [{key: password, path: tidemark_kafka_password}]}
{{- end }}
{{- with $security.ca }}
{{- if .secret }}
  - secret: {name: {{ .secret }}, items: [{key: {{ .key }}, path: kafka-ca.crt}]}
{{- end }}
{{- end }}
{{- if .rules }}
  - configMap: {name: {{ .root.Release.Name }}-alerts}
{{- end }}
{{- end }}
