{{- define "common.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "common.fullname" . }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "server") | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ int .Values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  minReadySeconds: 5
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "common.selector" (dict "root" . "component" "server") | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" (dict "root" . "component" "server") | nindent 8 }}
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # Here and not in a ConfigMap: pods of the version before keep the settings that they know while they are replaced.
        mahnwerk/settings.toml: |
          {{- include "common.settings" . | nindent 10 }}
        {{- with .Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "common.serviceAccount" . }}
      {{- include "common.podSecurity" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ include "common.gracePeriod" . }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- include "common.spread" . | nindent 6 }}
      {{- if eq .Values.migrations.mode "initContainer" }}
      initContainers:
        - {{ include "common.migrationContainer" . | nindent 10 | trim }}
      {{- end }}
      containers:
        - {{ include "common.serverContainer" . | nindent 10 | trim }}
      volumes:
        - name: settings
          downwardAPI:
            items:
              - path: settings.toml
                fieldRef:
                  fieldPath: metadata.annotations['mahnwerk/settings.toml']
        {{- with include "common.secretVolumes" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{- define "common.serverContainer" -}}
name: {{ .Chart.Name }}
image: {{ include "common.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [{{ include "common.program" . }}]
args: [--config, /etc/mahnwerk/settings.toml, serve]
{{ include "common.containerSecurity" . }}
env:
  {{- include "common.database" (dict "root" . "url" .Values.database) | nindent 2 }}
  {{- with include "common.smtp" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- include "common.telemetry" . | trim | nindent 2 }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: api
    containerPort: {{ .Service.apiPort }}
  - name: ops
    containerPort: {{ .Service.opsPort }}
# All on the ops listener, which has no TLS, because the kubelet's gRPC probes know none: the process lives, or the
# service can serve. A database that is away must not restart pods,
# so liveness does not ask for it.
startupProbe:
  httpGet:
    path: /healthz
    port: {{ .Service.opsPort }}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .Service.opsPort }}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ .Service.opsPort }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
lifecycle:
  preStop:
    sleep:
      seconds: {{ int .Values.preStopSeconds }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: settings
    mountPath: /etc/mahnwerk
    readOnly: true
  {{- with include "common.secretVolumes" . }}
  {{- include "common.secretMounts" (dict "root" $ "volumes" .) | trim | nindent 2 }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Over zones and nodes, each revision by itself. */}}
{{- define "common.spread" -}}
topologySpreadConstraints:
  {{- range $key, $when := dict "kubernetes.io/hostname" .Values.topologySpread.nodes "topology.kubernetes.io/zone" .Values.topologySpread.zones }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: {{ $when }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "common.selector" (dict "root" $ "component" "server") | nindent 8 }}
  {{- end }}
{{- end -}}
