{{/*
slipway.plan is what the other templates go by: JSON of

  workloads   what `slipway up` makes, one for each node of the driver kubernetes: {builder, node, name, namespace, sleeps, tls}
  namespaces  where they are
  agents      the service accounts of agents: {namespace, serviceAccount, create, role, …}
  places      the namespaces that get the definitions
*/}}
{{- define "slipway.plan" -}}
{{- if not .Values.builders -}}
{{- fail "builders is empty: define one, as the chart's README shows" -}}
{{- end -}}
{{- $workloads := list -}}
{{- $seen := dict -}}
{{- $files := dict -}}
{{- range $name := keys .Values.builders | sortAlpha -}}
{{- $builder := get $.Values.builders $name -}}
{{- if hasKey $files (lower $name) -}}
{{- fail (printf "builders: %s and %s differ in case only, and no builder is told apart by that" (get $files (lower $name)) $name) -}}
{{- end -}}
{{- $_ := set $files (lower $name) $name -}}
{{- if ne $builder.driver "remote" -}}
{{- range $node := $builder.nodes -}}
{{- $options := include "slipway.options" (dict "root" $ "name" $name "node" $node) | fromJson -}}
{{- $workload := $node.name | replace "_" "-" -}}
{{- $id := printf "%s/%s" $options.namespace $workload -}}
{{- if hasKey $seen $id -}}
{{- fail (printf "builders.%s: node %s has the same workload as one of builder %s: give it another name or another namespace" $name $node.name (get $seen $id)) -}}
{{- end -}}
{{- $_ := set $seen $id $name -}}
{{- $idle := mergeOverwrite (dict "idleTimeout" "") (default (dict) $builder.slipway) (default (dict) $node.slipway) -}}
{{- $workloads = append $workloads (dict "builder" $name "node" $node.name "name" $workload "namespace" $options.namespace
  "sleeps" (not (has $idle.idleTimeout (list "" "0" "0s")))
  "tls" (include "slipway.tls" (dict "root" $ "name" $name "node" $node) | fromJson)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $namespaces := list -}}
{{- range $workloads -}}
{{- $namespaces = append $namespaces .namespace -}}
{{- end -}}

{{- $agents := list -}}
{{- $places := concat (list .Release.Namespace) .Values.definitions.namespaces -}}
{{- range .Values.agents -}}
{{- $agent := mergeOverwrite (dict "role" "build" "create" false "namespace" $.Release.Namespace "serviceAccount" (printf "%s-agent" (include "slipway.fullname" $))) (deepCopy .) -}}
{{- $agents = append $agents $agent -}}
{{- $places = append $places $agent.namespace -}}
{{- end -}}
{{- dict "workloads" $workloads "namespaces" (uniq $namespaces | sortAlpha) "agents" $agents "places" (uniq $places | sortAlpha) | toJson -}}
{{- end -}}
