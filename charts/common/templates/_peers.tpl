{{/*
How the other services are called, as YAML: `settings` (files to trust and to show), and the `volumes` that hold these
files beside the listener's own. `helm test` calls the same way.
*/}}
{{- define "common.calling" -}}
{{- $tls := include "common.tls" . | fromYaml -}}
{{- $peers := .Values.peers -}}
{{- $directory := include "common.secrets" . -}}
{{- $settings := dict -}}
{{- $volumes := list -}}
{{- if $tls.secret -}}
{{- include "common.checkCalling" . -}}
{{- $from := $peers.caFrom -}}
{{- $place := "tls" -}}
{{- if $from.existingConfigMap -}}
{{- $place = "ca" -}}
{{- $volumes = append $volumes (dict "name" "ca" "configMap" (dict "name" $from.existingConfigMap)) -}}
{{- else if $from.existingSecret -}}
{{- $place = "ca" -}}
{{- $volumes = append $volumes (dict "name" "ca" "secret" (dict "secretName" $from.existingSecret)) -}}
{{- end -}}
{{- $_ := set $settings "ca_file" (printf "%s/%s/%s" $directory $place $from.key) -}}
{{- if ne $peers.show "token" -}}
{{- $place := "tls" -}}
{{- with $peers.certificateSecret -}}
{{- $place = "certificate" -}}
{{- $volumes = append $volumes (dict "name" "certificate" "secret" (dict "secretName" .)) -}}
{{- end -}}
{{- $_ := set $settings "certificate_file" (printf "%s/%s/tls.crt" $directory $place) -}}
{{- $_ := set $settings "key_file" (printf "%s/%s/tls.key" $directory $place) -}}
{{- end -}}
{{- if ne $peers.show "certificate" -}}
{{- $token := dict "path" "token" "audience" $peers.tokenAudience "expirationSeconds" (int $peers.tokenExpirationSeconds) -}}
{{- $sources := list (dict "serviceAccountToken" $token) -}}
{{- $volumes = append $volumes (dict "name" "token" "projected" (dict "sources" $sources)) -}}
{{- $_ := set $settings "token_file" (printf "%s/token/token" $directory) -}}
{{- end -}}
{{- end -}}
{{- dict "settings" $settings "volumes" $volumes | toYaml -}}
{{- end -}}

{{- define "common.checkCalling" -}}
{{- $asked := (include "common.tls" . | fromYaml).clientCertificates -}}
{{- $peers := .Values.peers -}}
{{- if and $peers.caFrom.existingConfigMap $peers.caFrom.existingSecret -}}
{{- fail (printf "%s: peers.caFrom: give one of existingConfigMap and existingSecret" .Chart.Name) -}}
{{- end -}}
{{- if and (eq $asked "required") (eq $peers.show "token") -}}
{{- fail (printf "%s: tls.clientCertificates is required, so peers.show must be `certificate` or `both`" .Chart.Name) -}}
{{- end -}}
{{- if and (eq $asked "none") (ne $peers.show "token") -}}
{{- fail (printf "%s: peers.show is %s, but with tls.clientCertificates none nobody looks at certificates" .Chart.Name $peers.show) -}}
{{- end -}}
{{- range $upstream := .Service.upstreams -}}
{{- $url := tpl (index $.Values.settings (printf "%s_url" $upstream)) $ -}}
{{- if not (hasPrefix "https://" $url) -}}
{{- fail (printf "%s: settings.%s_url is %s, but a token must not be sent without TLS: it must begin with https://" $.Chart.Name $upstream $url) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Volumes of the server beside its settings: the database's authority, the listener's files, the table of callers, and how it
calls others.
*/}}
{{- define "common.secretVolumes" -}}
{{- $volumes := include "common.databaseVolumes" . | fromYamlArray -}}
{{- with (include "common.tls" . | fromYaml).secret -}}
{{- $volumes = append $volumes (dict "name" "tls" "secret" (dict "secretName" .)) -}}
{{- end -}}
{{- $access := include "common.access" . | fromYaml -}}
{{- if $access.existingSecret -}}
{{- $volumes = append $volumes (dict "name" "access" "secret" (dict "secretName" $access.existingSecret)) -}}
{{- else if $access.file -}}
{{- $name := $access.existingConfigMap | default (printf "%s-access" (include "common.fullname" .)) -}}
{{- $volumes = append $volumes (dict "name" "access" "configMap" (dict "name" $name)) -}}
{{- end -}}
{{- if $access.kubernetesKeys -}}
{{- $token := dict "path" "token" "expirationSeconds" (int .Values.peers.tokenExpirationSeconds) -}}
{{- $roots := dict "name" "kube-root-ca.crt" "items" (list (dict "key" "ca.crt" "path" "ca.crt")) -}}
{{- $sources := list (dict "configMap" $roots) (dict "serviceAccountToken" $token) -}}
{{- $volumes = append $volumes (dict "name" "kubernetes" "projected" (dict "sources" $sources)) -}}
{{- end -}}
{{- if .Service.upstreams -}}
{{- $volumes = concat $volumes (include "common.calling" . | fromYaml).volumes -}}
{{- end -}}
{{- if $volumes -}}
{{- toYaml $volumes -}}
{{- end -}}
{{- end -}}

{{/* Each volume in the directory of its name. Takes volumes as YAML. */}}
{{- define "common.secretMounts" -}}
{{- range .volumes | fromYamlArray }}
- name: {{ .name }}
  mountPath: {{ include "common.secrets" $.root }}/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* Of the test pod: the same files, without the listener's key where it need not be shown. */}}
{{- define "common.testVolumes" -}}
{{- $calling := include "common.calling" . | fromYaml -}}
{{- $volumes := $calling.volumes -}}
{{- $directory := printf "%s/tls/" (include "common.secrets" .) -}}
{{- $secret := (include "common.tls" . | fromYaml).secret -}}
{{- if hasPrefix $directory ($calling.settings.certificate_file | default "") -}}
{{- $volumes = prepend $volumes (dict "name" "tls" "secret" (dict "secretName" $secret)) -}}
{{- else if hasPrefix $directory ($calling.settings.ca_file | default "") -}}
{{- $key := .Values.peers.caFrom.key -}}
{{- $items := list (dict "key" $key "path" $key) -}}
{{- $volumes = prepend $volumes (dict "name" "tls" "secret" (dict "secretName" $secret "items" $items)) -}}
{{- end -}}
{{- if $volumes -}}
{{- toYaml $volumes -}}
{{- end -}}
{{- end -}}
