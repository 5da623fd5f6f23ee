{{/* One address for callers that hold one connection, and the pods' own for callers that balance over them. */}}
{{- define "common.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.fullname" .root }}{{ .headless | ternary "-headless" "" }}
  labels:
    {{- include "common.labels" (dict "root" .root "component" "server") | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "common.selector" (dict "root" .root "component" "server") | nindent 4 }}
  ports:
    - name: api
      port: {{ .root.Service.apiPort }}
      targetPort: api
      appProtocol: {{ eq (include "common.scheme" .root) "https" | ternary "https" "kubernetes.io/h2c" }}
{{- end -}}

{{/* Peers with a name, so that values of several files add up; templates in them are filled in. */}}
{{- define "common.peers" -}}
{{- $root := .root -}}
{{- range $name, $peer := .peers }}
{{- with $peer }}
# {{ $name }}
- {{ tpl (toYaml .) $root | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "common.dns" -}}
# DNS
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}

{{- define "common.egress" -}}
{{ include "common.dns" . }}
# database
- ports:
    - port: {{ int .Values.networkPolicy.database.port }}
  {{- with .Values.networkPolicy.database.to }}
  to:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
{{- end -}}

{{/*
The ways out as YAML, by name: those of the values, and one for what is configured to be called. Where nothing is sent,
nothing may leave.
*/}}
{{- define "common.waysOut" -}}
{{- $ways := deepCopy .Values.networkPolicy.egress -}}
{{- $smtp := (.Values.settings.dispatch).smtp | default dict -}}
{{- if and $smtp.host (not $ways.smtp) -}}
{{- $_ := set $ways "smtp" (dict "ports" (list (dict "port" (int $smtp.port)))) -}}
{{- end -}}
{{- if not $ways.otlp -}}
{{- $ports := list -}}
{{- range $endpoint := compact (list (include "common.tracesEndpoint" .) (include "common.metricsEndpoint" .)) -}}
{{- $ports = append $ports (dict "port" (regexFind "[0-9]+$" (urlParse $endpoint).host | default "80" | int)) -}}
{{- end -}}
{{- with uniq $ports -}}
{{- $_ := set $ways "otlp" (dict "ports" .) -}}
{{- end -}}
{{- end -}}
{{- if and (include "common.access" . | fromYaml).kubernetesKeys (not $ways.kubernetes) -}}
{{- /* The Service's port and that of the server behind it: network plugins differ in which one they see. */ -}}
{{- $_ := set $ways "kubernetes" (dict "ports" (list (dict "port" 443) (dict "port" 6443))) -}}
{{- end -}}
{{- if not $ways.issuers -}}
{{- $ports := list -}}
{{- range include "common.issuerPorts" . | fromYamlArray -}}
{{- $ports = append $ports (dict "port" .) -}}
{{- end -}}
{{- with $ports -}}
{{- $_ := set $ways "issuers" (dict "ports" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml $ways -}}
{{- end -}}

{{- define "common.networkPolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
{{- $policy := .Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.fullname" . }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "server") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" (dict "root" . "component" "server") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - port: {{ .Service.apiPort }}
      from:
        # helm test
        - podSelector:
            matchLabels:
              {{- include "common.selector" (dict "root" . "component" "test") | nindent 14 }}
        {{- with include "common.peers" (dict "root" . "peers" $policy.clients) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
    {{- with $policy.metricsFrom }}
    - ports:
        - port: {{ $.Service.opsPort }}
      from:
        {{- include "common.peers" (dict "root" $ "peers" .) | trim | nindent 8 }}
    {{- end }}
  egress:
    {{- include "common.egress" . | nindent 4 }}
    {{- range $name, $rule := include "common.waysOut" . | fromYaml }}
    {{- with $rule }}
    # {{ $name }}
    - {{ tpl (toYaml .) $ | nindent 6 | trim }}
    {{- end }}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* For the hook, which runs before the release's other policies exist; it goes when the hooks have succeeded. */}}
{{- define "common.migrationNetworkPolicy" -}}
{{- if and .Values.networkPolicy.enabled (eq .Values.migrations.mode "hook") -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.fullname" . }}-migrate
  labels:
    {{- include "common.labels" (dict "root" . "component" "migration") | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" (dict "root" . "component" "migration") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.egress" . | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* For helm test, where a namespace lets nothing out by default. */}}
{{- define "common.testNetworkPolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.fullname" . }}-test
  labels:
    {{- include "common.labels" (dict "root" . "component" "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-weight: "-5"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" (dict "root" . "component" "test") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.dns" . | nindent 4 }}
    - ports:
        - port: {{ .Service.apiPort }}
      to:
        - podSelector:
            matchLabels:
              {{- include "common.selector" (dict "root" . "component" "server") | nindent 14 }}
{{- end -}}
{{- end -}}
