{{/*
How long a pod needs to stop, in seconds. The order in which nothing is lost:

1. preStop sleeps: the pod leaves the endpoints while it serves as before.
2. SIGTERM: health says "not serving"; drain_delay_ms for clients that watch health.
3. GOAWAY, and grace_ms for calls that have begun.
4. Two seconds for each piece of background work.

The margin is for sending the last telemetry.
*/}}
{{- define "common.stopSeconds" -}}
{{- $shutdown := .Values.settings.shutdown -}}
{{- $calls := divf (addf $shutdown.drain_delay_ms $shutdown.grace_ms) 1000 | ceil | int -}}
{{- $margin := 10 -}}
{{- add (int .Values.preStopSeconds) $calls (mul 2 .Service.background) $margin -}}
{{- end -}}

{{- define "common.gracePeriod" -}}
{{- $needed := include "common.stopSeconds" . | int -}}
{{- $given := .Values.terminationGracePeriodSeconds | default $needed | int -}}
{{- if lt $given $needed -}}
{{- fail (printf "%s: terminationGracePeriodSeconds is %d, but stopping without losing a call may take %d seconds: preStopSeconds, settings.shutdown and background work" .Chart.Name $given $needed) -}}
{{- end -}}
{{- $given -}}
{{- end -}}
