{{/*
slipway.tls says what certificates a node has: JSON of

  maker       slipway, helm, certManager, brought, or none where nothing listens
  serverSecret, clientSecret, serverName
  agentsRead  whether agents read the Secret of the client
  written     Slipway.tls of the definition, where a maker of the chart needs it

It takes {root, name, node}. What the values say of a node wins over
certificates.mode.
*/}}
{{- define "slipway.tls" -}}
{{- $builder := get .root.Values.builders .name -}}
{{- $all := default (dict) $builder.slipway -}}
{{- $own := default (dict) .node.slipway -}}
{{- $given := ternary $own.tls $all.tls (hasKey $own "tls") | default (dict) -}}
{{- $workload := .node.name | replace "_" "-" -}}
{{- $namespace := (include "slipway.options" . | fromJson).namespace -}}
{{- $mode := .root.Values.certificates.mode -}}
{{- $maker := $mode -}}
{{- $written := dict -}}
{{- $serverSecret := printf "%s-tls" $workload -}}
{{- $clientSecret := printf "%s-tls-client" $workload -}}
{{- if or (eq $builder.driver "remote") (eq "exec" (default $all.transport $own.transport)) -}}
{{- $maker = "none" -}}
{{- else if $given.serverSecret -}}
{{- $maker = "brought" -}}
{{- $serverSecret = $given.serverSecret -}}
{{- $clientSecret = $given.clientSecret -}}
{{- else if eq $mode "existing" -}}
{{- fail (printf "builders.%s: node %s: certificates.mode is existing: name them in slipway.tls (serverSecret and clientSecret), or set slipway.transport to exec" .name .node.name) -}}
{{- else if ne $mode "slipway" -}}
{{- $serverSecret = printf "%s-%s-server" (include "slipway.fullname" .root) $workload -}}
{{- $clientSecret = printf "%s-%s-client" (include "slipway.fullname" .root) $workload -}}
{{- $written = mergeOverwrite (dict) $given (dict "serverSecret" $serverSecret) -}}
{{- if not $given.clientDir -}}
{{- $_ := set $written "clientSecret" $clientSecret -}}
{{- end -}}
{{- end -}}
{{- dict "maker" $maker
  "serverSecret" $serverSecret
  "clientSecret" $clientSecret
  "serverName" (default (printf "buildkitd.%s.%s" $workload $namespace) $given.serverName)
  "agentsRead" (and (ne $maker "none") (not $given.clientDir))
  "written" $written | toJson -}}
{{- end -}}
