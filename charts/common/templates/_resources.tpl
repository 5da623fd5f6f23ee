{{- define "common.serviceAccountResource" -}}
{{- if .Values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "common.serviceAccount" . }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "server") | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{- define "common.podMonitor" -}}
{{- with .Values.podMonitor -}}
{{- if .enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "common.fullname" $ }}
  labels:
    {{- include "common.labels" (dict "root" $ "component" "server") | nindent 4 }}
    {{- with mergeOverwrite (dict) ((($.Values.global).podMonitor).labels | default dict) .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  # Rules and dashboards find the service by the job: mahnwerk-registry and so on.
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "common.selector" (dict "root" $ "component" "server") | nindent 6 }}
  podMetricsEndpoints:
    - port: ops
      path: /metrics
      interval: {{ .interval }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Does the service answer a call through its Service? With the client that is in the service's own image, and with the
service's own account or certificate, which the table of callers must give the scope feed.status.read.
*/}}
{{- define "common.test" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "common.fullname" . }}-test
  labels:
    {{- include "common.labels" (dict "root" . "component" "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- $calling := include "common.calling" . | fromYaml }}
  {{- if $calling.settings.token_file }}
  serviceAccountName: {{ include "common.serviceAccount" . }}
  {{- end }}
  {{- include "common.podSecurity" . | nindent 2 }}
  containers:
    - name: feed-status
      image: {{ include "common.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [mahnwerk]
      args:
        - feed
        - status
        - --service={{ .Chart.Name }}
        - --{{ .Chart.Name }}={{ include "common.scheme" . }}://{{ include "common.fullname" . }}:{{ .Service.apiPort }}
        {{- range $name, $file := $calling.settings }}
        - --{{ $name | replace "_" "-" }}={{ $file }}
        {{- end }}
      {{- include "common.containerSecurity" . | nindent 6 }}
      resources:
        {{- toYaml .Values.migrations.resources | nindent 8 }}
      {{- with include "common.testVolumes" . }}
      volumeMounts:
        {{- include "common.secretMounts" (dict "root" $ "volumes" .) | trim | nindent 8 }}
      {{- end }}
  {{- with include "common.testVolumes" . }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Everything a service consists of. */}}
{{- define "common.resources" -}}
{{- include "common.checkProtection" . -}}
{{- $documents := list
      (include "common.serviceAccountResource" .)
      (include "common.accessConfigMap" .)
      (include "common.certificate" .)
      (include "common.service" (dict "root" . "headless" false))
      (include "common.service" (dict "root" . "headless" true))
      (include "common.deployment" .)
      (include "common.disruptionBudget" .)
      (include "common.autoscaler" .)
      (include "common.migrationNetworkPolicy" .)
      (include "common.migrationJob" .)
      (include "common.networkPolicy" .)
      (include "common.podMonitor" .)
      (include "common.testNetworkPolicy" .)
      (include "common.test" .) -}}
{{- range $document := compact $documents }}
---
{{ $document }}
{{- end -}}
{{- end -}}
