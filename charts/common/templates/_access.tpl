{{/*
The table of callers, as YAML: where it is (`existingConfigMap`, `existingSecret`, or `issuers` and `callers`), the `file`
in the pod (empty: none), and `kubernetesKeys`. A service that names a table of its own takes no part of the one in
`global.access`.
*/}}
{{- define "common.access" -}}
{{- $own := .Values.access -}}
{{- $used := (.Values.global).access | default dict -}}
{{- if or $own.existingConfigMap $own.existingSecret $own.issuers $own.callers -}}
{{- $used = $own -}}
{{- end -}}
{{- $isInline := or (not (empty $used.issuers)) (not (empty $used.callers)) -}}
{{- $places := compact (list $used.existingConfigMap $used.existingSecret (ternary "inline" "" $isInline)) -}}
{{- if gt (len $places) 1 -}}
{{- fail (printf "%s: access: give one of existingConfigMap, existingSecret, and issuers with callers" .Chart.Name) -}}
{{- end -}}
{{- $result := pick $used "existingConfigMap" "existingSecret" "issuers" "callers" -}}
{{- $_ := set $result "isInline" $isInline -}}
{{- $_ := set $result "key" ($isInline | ternary "access.toml" ($used.key | default "access.toml")) -}}
{{- $_ := set $result "file" "" -}}
{{- if $places -}}
{{- $_ := set $result "file" (printf "%s/access/%s" (include "common.secrets" .) $result.key) -}}
{{- end -}}
{{- $_ := set $result "kubernetesKeys" (or $own.kubernetesKeys $used.kubernetesKeys | default false) -}}
{{- toYaml $result -}}
{{- end -}}

{{/* Where the keys of the cluster's service accounts are asked for: mounted with `kubernetesKeys`. */}}
{{- define "common.kubernetesDirectory" -}}
{{ include "common.secrets" . }}/kubernetes
{{- end -}}

{{/* A value of the table as TOML, on one line. Texts may hold templates. */}}
{{- define "common.tomlValue" -}}
{{- $root := .root -}}
{{- if kindIs "string" .value -}}
{{- tpl .value $root | toJson -}}
{{- else if kindIs "slice" .value -}}
{{- $parts := list -}}
{{- range .value -}}
{{- $parts = append $parts (include "common.tomlValue" (dict "root" $root "value" .)) -}}
{{- end -}}
[{{ join ", " $parts }}]
{{- else if kindIs "map" .value -}}
{{- $parts := list -}}
{{- range $key, $value := .value -}}
{{- $parts = append $parts (printf "%s = %s" $key (include "common.tomlValue" (dict "root" $root "value" $value))) -}}
{{- end -}}
{ {{- printf " %s " (join ", " $parts) -}} }
{{- else -}}
{{- int64 .value -}}
{{- end -}}
{{- end -}}

{{- define "common.tomlTables" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- range $entry := .entries }}
[[{{ $name }}]]
{{- range $key, $value := $entry }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "common.tomlValue" (dict "root" $root "value" $value) }}
{{- end }}
{{- end }}
{{ end -}}
{{- end -}}

{{/* What a schema cannot say of the table. */}}
{{- define "common.checkTable" -}}
{{- $chart := .root.Chart.Name -}}
{{- $names := list -}}
{{- $isOpen := false -}}
{{- range .access.issuers -}}
{{- if has .name $names -}}
{{- fail (printf "%s: access.issuers: %s is there twice" $chart .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- $isOpen = or $isOpen (not (empty .scopes_claim)) -}}
{{- $directory := include "common.kubernetesDirectory" $.root -}}
{{- $files := printf "%s %s" (.jwks_ca_file | default "") (.jwks_token_file | default "") -}}
{{- if and (contains $directory $files) (not $.access.kubernetesKeys) -}}
{{- fail (printf "%s: access.issuers: %s needs files that only access.kubernetesKeys mounts" $chart .name) -}}
{{- end -}}
{{- end -}}
{{- $callers := list -}}
{{- range .access.callers -}}
{{- if has .name $callers -}}
{{- fail (printf "%s: access.callers: %s is there twice" $chart .name) -}}
{{- end -}}
{{- $callers = append $callers .name -}}
{{- if and .issuer (not (has .issuer $names)) -}}
{{- fail (printf "%s: access.callers: %s has the issuer %s, which access.issuers does not have" $chart .name .issuer) -}}
{{- end -}}
{{- end -}}
{{- if not (or .access.callers $isOpen) -}}
{{- fail (printf "%s: access: nobody could call: there is no caller, and no issuer has a scopes_claim" $chart) -}}
{{- end -}}
{{- end -}}

{{/* The table, if it stands in the values. The program reads it again when it changes, so pods need not restart. */}}
{{- define "common.accessConfigMap" -}}
{{- $access := include "common.access" . | fromYaml -}}
{{- if $access.isInline -}}
{{- include "common.checkTable" (dict "root" . "access" $access) -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.fullname" . }}-access
  labels:
    {{- include "common.labels" (dict "root" . "component" "server") | nindent 4 }}
data:
  access.toml: |
    {{- $tables := list
          (include "common.tomlTables" (dict "root" . "name" "issuers" "entries" $access.issuers))
          (include "common.tomlTables" (dict "root" . "name" "callers" "entries" $access.callers)) }}
    {{- join "" $tables | trim | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* Ports on which the table's issuers are asked for their keys, beside the API server. */}}
{{- define "common.issuerPorts" -}}
{{- $ports := list -}}
{{- range (include "common.access" . | fromYaml).issuers -}}
{{- if and .jwks_url (not (hasPrefix "https://kubernetes.default.svc" .jwks_url)) -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (urlParse .jwks_url).host | default "443" | int) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toYaml -}}
{{- end -}}
