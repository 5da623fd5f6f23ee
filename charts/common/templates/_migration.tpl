{{/*
The schema. As a hook, before the first install and before every upgrade: a migration that fails stops the release, and
the old pods go on. The hook runs before anything else of the release exists, so it must not refer to the chart's own
ServiceAccount or ConfigMap, and Secrets have to exist.
*/}}
{{- define "common.migrationContainer" -}}
name: migrate
image: {{ include "common.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [{{ include "common.program" . }}]
args: [migrate]
{{ include "common.containerSecurity" . }}
env:
  {{- $url := .Values.migrations.existingSecret | empty | ternary .Values.database .Values.migrations }}
  {{- include "common.database" (dict "root" . "url" $url) | nindent 2 }}
resources:
  {{- toYaml .Values.migrations.resources | nindent 2 }}
{{- with include "common.databaseVolumes" . }}
volumeMounts:
  {{- include "common.secretMounts" (dict "root" $ "volumes" .) | trim | nindent 2 }}
{{- end }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{- define "common.migrationJob" -}}
{{- if eq .Values.migrations.mode "hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.fullname" . }}-migrate
  labels:
    {{- include "common.labels" (dict "root" . "component" "migration") | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-5"
    # A failed Job stays, so that its log can be read.
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: {{ int .Values.migrations.backoffLimit }}
  activeDeadlineSeconds: {{ int .Values.migrations.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" (dict "root" . "component" "migration") | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- include "common.podSecurity" . | nindent 6 }}
      containers:
        - {{ include "common.migrationContainer" . | nindent 10 | trim }}
      {{- with include "common.databaseVolumes" . }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
{{- end -}}
