{{/*
slipway.rules are rules of files/rbac.yaml, which the program's own list is
written to. It takes {root, sections, names}. In the file @server, @client and
@workload stand for the Secrets and the names of a namespace's workloads; these
are in names, by "server", "client" and "workload".
*/}}
{{- define "slipway.rules" -}}
{{- $file := .root.Files.Get "files/rbac.yaml" | fromYaml -}}
{{- $rules := list -}}
{{- range .sections -}}
{{- range $rule := get $file . -}}
{{- if $rule.resourceNames -}}
{{- $names := list -}}
{{- range $rule.resourceNames -}}
{{- $names = concat $names (get $.names (trimPrefix "@" .)) -}}
{{- end -}}
{{- $rule = set $rule "resourceNames" $names -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/*
slipway.builders are the service accounts that get the role build: JSON of
{subjects}, each {namespace, serviceAccount}.
*/}}
{{- define "slipway.builders" -}}
{{- $subjects := (include "slipway.plan" . | fromJson).agents -}}
{{- if .Values.up.enabled -}}
{{- $subjects = append $subjects (dict "namespace" .Release.Namespace "serviceAccount" (include "slipway.manager" .)) -}}
{{- end -}}
{{- if .Values.gc.enabled -}}
{{- $subjects = append $subjects (dict "namespace" .Release.Namespace "serviceAccount" (include "slipway.collector" .)) -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- $subjects = append $subjects (dict "namespace" .Release.Namespace "serviceAccount" (include "slipway.gateway" .)) -}}
{{- end -}}
{{- dict "subjects" $subjects | toJson -}}
{{- end -}}

{{/*
slipway.binding gives a role of a namespace to service accounts. It takes
{root, name, namespace, subjects}.
*/}}
{{- define "slipway.binding" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "slipway.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  {{- range .subjects }}
  - kind: ServiceAccount
    namespace: {{ .namespace }}
    name: {{ .serviceAccount }}
  {{- end }}
{{- end -}}
