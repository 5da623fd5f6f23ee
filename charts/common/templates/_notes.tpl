{{/* What is said after an installation: a switch that opens a service to everybody must not be overlooked. */}}
{{- define "common.warning" -}}
WARNING: {{ join ", " . }} {{ len . | eq 1 | ternary "is" "are" }} unprotected: without TLS or a table of callers, whoever can connect may read and change everything. For development only.
{{- end -}}

{{- define "common.notes" -}}
{{- $name := include "common.fullname" .root }}
{{ .root.Chart.Name }}: one address {{ $name }}:{{ .port }}, all replicas {{ $name }}-headless:{{ .port }}

Is everything well?  helm test {{ .root.Release.Name }} --namespace {{ .root.Release.Namespace }}
{{- if include "common.unprotected" .root }}

{{ include "common.warning" (list .root.Chart.Name) }}
{{- end }}
{{- end -}}
