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
{{- if not $.root.Values.rbac.exec -}}
{{- $rule = set $rule "resources" (without $rule.resources "pods/exec") -}}
{{- end -}}
{{- if $rule.resources -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
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
