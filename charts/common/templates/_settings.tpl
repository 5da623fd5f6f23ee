{{/*
A table of settings as TOML: plain values first, because whatever follows a table's name belongs to it. Numbers are
written as integers (there are no others among the settings; Helm reads them as floats). Empty text means: not set.
*/}}
{{- define "common.toml" -}}
{{- $root := .root -}}
{{- range $key, $value := .table -}}
{{- if kindIs "map" $value -}}
{{- else if kindIs "string" $value -}}
{{- with tpl $value $root }}
{{ $key }} = {{ toJson . }}
{{- end -}}
{{- else if kindIs "float64" $value }}
{{ $key }} = {{ int64 $value }}
{{- else if not (kindIs "invalid" $value) }}
{{ $key }} = {{ toJson $value }}
{{- end -}}
{{- end -}}
{{- $path := .path -}}
{{- range $key, $value := .table -}}
{{- if kindIs "map" $value -}}
{{- $name := $path | empty | ternary $key (printf "%s.%s" $path $key) }}

[{{ $name }}]
{{- include "common.toml" (dict "root" $root "table" $value "path" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The settings file. The listeners and what the template checks are not open to values twice. */}}
{{- define "common.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- $listen := dict
      "api" (dict "listen" (printf "%s:%d" .Values.listenAddress .Service.apiPort))
      "ops" (dict "listen" (printf "%s:%d" .Values.listenAddress .Service.opsPort)) -}}
{{- $settings = mergeOverwrite $settings $listen -}}
{{- if include "common.unprotected" . -}}
{{- $_ := set $settings.api "unprotected" true -}}
{{- end -}}
{{- $_ := set $settings.api "access_file" (include "common.access" . | fromYaml).file -}}
{{- with include "common.tlsSettings" . -}}
{{- $_ := set $settings.api "tls" (fromYaml .) -}}
{{- end -}}
{{- if .Service.upstreams -}}
{{- with (include "common.calling" . | fromYaml).settings -}}
{{- $_ := set $settings "peers" . -}}
{{- end -}}
{{- end -}}
{{- with $settings.dispatch -}}
{{- $_ := set . "smtp" (omit (.smtp | default dict) "existingSecret" "userKey" "passwordKey") -}}
{{- end -}}
{{- include "common.toml" (dict "root" . "table" $settings "path" "") | trim }}
{{- end -}}

{{/*
Environment of whoever connects to the database: the URL from an existing Secret, and whom to trust. The latter apart from
the URL, because the URLs that operators write do not say it.
*/}}
{{- define "common.database" -}}
- name: {{ include "common.variable" (dict "root" .root "key" "database.url") }}
  valueFrom:
    secretKeyRef:
      name: {{ .url.existingSecret }}
      key: {{ .url.urlKey }}
{{- if include "common.databaseVolumes" .root }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: {{ include "common.secrets" .root }}/database/{{ .root.Values.database.caFrom.key }}
{{- end }}
{{- end -}}

{{/* The authority of the database, as a list with one volume, or nothing. Of a Secret only that key: its own stands beside. */}}
{{- define "common.databaseVolumes" -}}
{{- $from := .Values.database.caFrom -}}
{{- if and $from.existingConfigMap $from.existingSecret -}}
{{- fail (printf "%s: database.caFrom: give one of existingConfigMap and existingSecret" .Chart.Name) -}}
{{- end -}}
{{- $items := list (dict "key" $from.key "path" $from.key) -}}
{{- if $from.existingConfigMap -}}
{{- list (dict "name" "database" "configMap" (dict "name" $from.existingConfigMap "items" $items)) | toYaml -}}
{{- else if $from.existingSecret -}}
{{- list (dict "name" "database" "secret" (dict "secretName" $from.existingSecret "items" $items)) | toYaml -}}
{{- end -}}
{{- end -}}

{{/* Who logs in at the mail server, from an existing Secret. */}}
{{- define "common.smtp" -}}
{{- $root := . -}}
{{- with (.Values.settings.dispatch).smtp -}}
{{- if and .host .existingSecret -}}
{{- $secret := .existingSecret -}}
{{- range $key, $secretKey := dict "user" .userKey "password" .passwordKey }}
- name: {{ include "common.variable" (dict "root" $root "key" (printf "dispatch.smtp.%s" $key)) }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ $secretKey }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.tracesEndpoint" -}}
{{- .Values.telemetry.tracesEndpoint | default ((.Values.global).telemetry).tracesEndpoint | default "" -}}
{{- end -}}

{{- define "common.metricsEndpoint" -}}
{{- .Values.telemetry.metricsEndpoint | default ((.Values.global).telemetry).metricsEndpoint | default "" -}}
{{- end -}}

{{/* Traces and metrics by OTLP; without an endpoint nothing is sent. */}}
{{- define "common.telemetry" -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "NODE_NAME" "spec.nodeName" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
# After the variables that it refers to.
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.namespace=mahnwerk,service.instance.id=$(POD_NAME),k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- with include "common.tracesEndpoint" . }}
- name: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with include "common.metricsEndpoint" . }}
- name: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end -}}
