{{/*
How long a pod needs to stop, in seconds. The order in which nothing is lost:

1. preStop sleeps: the pod leaves the endpoints while it serves as before.
2. SIGTERM: health says "not serving"; drain_delay_ms for clients that watch health.
3. GOAWAY, and grace_ms for calls that have begun and, at the same time, for background work, which has two seconds at least.

The margin is for sending the last telemetry.
*/}}
{{- define "common.stopSeconds" -}}
{{- $shutdown := .Values.settings.shutdown -}}
{{- $grace := max $shutdown.grace_ms 2000 -}}
{{- $work := divf (addf $shutdown.drain_delay_ms $grace) 1000 | ceil | int -}}
{{- $margin := 10 -}}
{{- add (int .Values.preStopSeconds) $work $margin -}}
{{- end -}}

{{- define "common.gracePeriod" -}}
{{- include "common.checkGrace" . -}}
{{- $needed := include "common.stopSeconds" . | int -}}
{{- $given := .Values.terminationGracePeriodSeconds | default $needed | int -}}
{{- if lt $given $needed -}}
{{- fail (printf "%s: terminationGracePeriodSeconds is %d, but stopping without losing a call may take %d seconds: preStopSeconds and settings.shutdown" .Chart.Name $given $needed) -}}
{{- end -}}
{{- $given -}}
{{- end -}}

{{/* Whoever stops while the mail server has not answered yet does not know whether the message was sent. */}}
{{- define "common.checkGrace" -}}
{{- $smtp := (.Values.settings.dispatch).smtp | default dict -}}
{{- $grace := int .Values.settings.shutdown.grace_ms -}}
{{- if and $smtp.host (lt $grace (mul 1000 (int $smtp.timeout_seconds) | int)) -}}
{{- fail (printf "%s: settings.shutdown.grace_ms is %d, but the mail server is given %d seconds (settings.dispatch.smtp.timeout_seconds): each rollout would leave notices of which nobody knows whether they were sent" .Chart.Name $grace (int $smtp.timeout_seconds)) -}}
{{- end -}}
{{- end -}}
