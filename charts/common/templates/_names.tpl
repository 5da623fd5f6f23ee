{{/*
Every template takes the root context, to which the service's chart has added:

Service.apiPort    port of the gRPC API
Service.opsPort    port of probes and metrics
Service.upstreams  the services that it calls
*/}}

{{/* Always of one form, because the services of a release find each other by it. */}}
{{- define "common.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-%s" .Release.Name .Chart.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "common.program" -}}
mahnwerk-{{ .Chart.Name }}
{{- end -}}

{{/* What a setting is called in the environment: REGISTRY__DATABASE__URL. */}}
{{- define "common.variable" -}}
{{- printf "%s__%s" (upper .root.Chart.Name) (upper .key | replace "." "__") -}}
{{- end -}}

{{/* Labels that never change, with the component, because selectors cannot be changed. */}}
{{- define "common.selector" -}}
app.kubernetes.io/name: mahnwerk-{{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Pods do not carry the chart's version: a new chart that changes nothing in them must not restart them. */}}
{{- define "common.podLabels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: mahnwerk
{{- end -}}

{{- define "common.labels" -}}
{{ include "common.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "common.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "common.fullname" .) -}}
{{- end -}}

{{/* The image: what the service says, else what all are told. A digest wins over a tag. */}}
{{- define "common.image" -}}
{{- $global := (.Values.global).image | default dict -}}
{{- $own := .Values.image -}}
{{- $registry := $own.registry | default $global.registry -}}
{{- $repository := $own.repository | default $global.repository | default "mahnwerk" -}}
{{- $tag := $own.tag | default $global.tag | default .Chart.AppVersion -}}
{{- $digest := $own.digest | default $global.digest -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- $repository -}}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{/* Pod and container settings that the Pod Security Standard "restricted" demands; not open to values. */}}
{{- define "common.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with .Values.podSecurity.runAsUser }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets | default (.Values.global).imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "common.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}
