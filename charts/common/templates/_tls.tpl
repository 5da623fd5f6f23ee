{{/* Where what a pod has to keep to itself is mounted: whole directories, or changes would not arrive. */}}
{{- define "common.secrets" -}}
/var/run/secrets/mahnwerk
{{- end -}}

{{/*
TLS of the listener, as YAML: `secret` (empty: none), `clientCertificates`, and `certManager` if the chart asks for the
certificate. A service that names a source of its own takes no part of the source that `global.tls` names.
*/}}
{{- define "common.tls" -}}
{{- $own := .Values.tls -}}
{{- $shared := (.Values.global).tls | default dict -}}
{{- $source := $shared -}}
{{- if or $own.existingSecret $own.certManager.enabled -}}
{{- $source = $own -}}
{{- end -}}
{{- $result := dict "secret" ($source.existingSecret | default "") -}}
{{- if ($source.certManager).enabled -}}
{{- if $source.existingSecret -}}
{{- fail (printf "%s: tls: give one of existingSecret and certManager" .Chart.Name) -}}
{{- end -}}
{{- $_ := set $result "secret" (printf "%s-tls" (include "common.fullname" .)) -}}
{{- $_ := set $result "certManager" (mergeOverwrite (deepCopy $own.certManager) (deepCopy $source.certManager)) -}}
{{- end -}}
{{- $_ := set $result "clientCertificates" ($own.clientCertificates | default $shared.clientCertificates | default "none") -}}
{{- toYaml $result -}}
{{- end -}}

{{- define "common.scheme" -}}
{{- (include "common.tls" . | fromYaml).secret | empty | ternary "http" "https" -}}
{{- end -}}

{{- define "common.unprotected" -}}
{{- if or .Values.unprotected (.Values.global).unprotected -}}
true
{{- end -}}
{{- end -}}

{{/* The listener's files, as settings. */}}
{{- define "common.tlsSettings" -}}
{{- $tls := include "common.tls" . | fromYaml -}}
{{- if $tls.secret -}}
{{- $directory := printf "%s/tls" (include "common.secrets" .) -}}
{{- $settings := dict
      "certificate_file" (printf "%s/tls.crt" $directory)
      "key_file" (printf "%s/tls.key" $directory) -}}
{{- if ne $tls.clientCertificates "none" -}}
{{- $_ := set $settings "client_ca_file" (printf "%s/ca.crt" $directory) -}}
{{- $_ := set $settings "client_certificate_required" (eq $tls.clientCertificates "required") -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}
{{- end -}}

{{/*
Refuses what the programs would refuse when they start: the pods listen beyond loopback, so there is TLS and a table of
callers, or somebody said aloud that there is not.
*/}}
{{- define "common.checkProtection" -}}
{{- $tls := include "common.tls" . | fromYaml -}}
{{- $missing := list -}}
{{- if not $tls.secret -}}
{{- $missing = append $missing "TLS (tls.existingSecret or tls.certManager)" -}}
{{- end -}}
{{- if not (include "common.access" . | fromYaml).file -}}
{{- $missing = append $missing "a table of callers (access.existingConfigMap, access.existingSecret, or access.issuers and access.callers)" -}}
{{- end -}}
{{- if and $missing (not (include "common.unprotected" .)) -}}
{{- fail (printf "%s listens to the whole cluster and needs %s; for all services below `global`. For development only, `unprotected: true` does without" .Chart.Name (join " and " $missing)) -}}
{{- end -}}
{{- if and (not $tls.secret) (ne $tls.clientCertificates "none") -}}
{{- fail (printf "%s: tls.clientCertificates is %s, but there is no TLS" .Chart.Name $tls.clientCertificates) -}}
{{- end -}}
{{- end -}}

{{/* For servers and clients, because a service may also show its certificate to the others. */}}
{{- define "common.certificate" -}}
{{- $tls := include "common.tls" . | fromYaml -}}
{{- with $tls.certManager -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ include "common.fullname" $ }}
  labels:
    {{- include "common.labels" (dict "root" $ "component" "server") | nindent 4 }}
spec:
  secretName: {{ $tls.secret }}
  duration: {{ .duration }}
  privateKey:
    algorithm: ECDSA
    size: 256
    encoding: PKCS8
    rotationPolicy: Always
  usages: [digital signature, server auth, client auth]
  dnsNames:
    {{- range $name := list (include "common.fullname" $) (printf "%s-headless" (include "common.fullname" $)) }}
    - {{ $name }}
    - {{ $name }}.{{ $.Release.Namespace }}
    - {{ $name }}.{{ $.Release.Namespace }}.svc
    - {{ $name }}.{{ $.Release.Namespace }}.svc.cluster.local
    {{- end }}
    # For kubectl port-forward.
    - localhost
    {{- with .dnsNames }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  issuerRef:
    {{- toYaml .issuerRef | nindent 4 }}
{{- end -}}
{{- end -}}
