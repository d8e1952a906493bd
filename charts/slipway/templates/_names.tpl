{{- define "slipway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The ConfigMap that agents mount. */}}
{{- define "slipway.definitions" -}}
{{- default (printf "%s-builders" (include "slipway.fullname" .)) .Values.definitions.name -}}
{{- end -}}

{{/* The service account of the Job that starts builders. */}}
{{- define "slipway.manager" -}}
{{- printf "%s-manager" (include "slipway.fullname" .) -}}
{{- end -}}

{{/* That of the CronJob that cleans up. */}}
{{- define "slipway.collector" -}}
{{- printf "%s-gc" (include "slipway.fullname" .) -}}
{{- end -}}

{{/* The Deployment, the Service and the service account of the gateway. */}}
{{- define "slipway.gateway" -}}
{{- printf "%s-gateway" (include "slipway.fullname" .) -}}
{{- end -}}

{{/*
slipway.owner tells what this release's builders leave behind from what others
do: namespace and name of the release, which no other has. A namespace has no
dot, so no two releases make the same of it. A label's value has 63 characters.
*/}}
{{- define "slipway.owner" -}}
{{- $owner := printf "%s.%s" .Release.Namespace .Release.Name -}}
{{- if gt (len $owner) 63 -}}
{{- $owner = printf "%s-%s" (trunc 46 $owner) (sha256sum $owner | trunc 16) -}}
{{- end -}}
{{- $owner -}}
{{- end -}}

{{- define "slipway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
