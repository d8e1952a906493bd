{{/*
slipway.gatewayPlan is what the gateway's templates go by: JSON of

  address   where clients find it
  secret    the Secret with its certificates
  names     the server names of its certificate
  clients   {name, secret, namespace} of each client
  places    the namespaces that get the clients' definitions
*/}}
{{- define "slipway.gatewayPlan" -}}
{{- $gateway := .Values.gateway -}}
{{- $service := include "slipway.gateway" . -}}
{{- $certificates := $gateway.certificates -}}
{{- $address := default (printf "%s.%s.svc:%d" $service .Release.Namespace (int $gateway.service.port)) $gateway.address -}}
{{- if and (eq $certificates.mode "existing") (not $certificates.secret) -}}
{{- fail "gateway.certificates: mode is existing: name the Secret in gateway.certificates.secret" -}}
{{- end -}}
{{- if and (ne $certificates.mode "existing") (or $certificates.secret $certificates.revocation) -}}
{{- fail (printf "gateway.certificates: secret and revocation are for the mode existing, and the mode is %s" $certificates.mode) -}}
{{- end -}}
{{- if and $gateway.allowPush (not $gateway.registries) -}}
{{- fail "gateway.allowPush: no credentials are given out: name the registries in gateway.registries" -}}
{{- end -}}
{{- $names := list -}}
{{- range $name := keys .Values.builders | sortAlpha -}}
{{- range (get $.Values.builders $name).nodes -}}
{{- $names = append $names (include "slipway.serverName" (dict "root" $ "builder" $name "node" .name)) -}}
{{- end -}}
{{- end -}}
{{- $clients := list -}}
{{- $places := list .Release.Namespace -}}
{{- range $gateway.clients -}}
{{- $namespace := default $.Release.Namespace .namespace -}}
{{- $clients = append $clients (dict "name" .name "namespace" $namespace "secret" (printf "%s-client-%s" $service .name)) -}}
{{- $places = append $places $namespace -}}
{{- end -}}
{{- dict "address" $address "secret" (default (printf "%s-tls" $service) $certificates.secret) "names" $names "clients" $clients "places" (uniq $places | sortAlpha) | toJson -}}
{{- end -}}

{{/* slipway.serverName chooses a node at the gateway. It takes {root, builder, node}. */}}
{{- define "slipway.serverName" -}}
{{- $name := printf "%s.%s" .node .builder | lower | replace "_" "-" -}}
{{- with .root.Values.gateway.domain -}}
{{- $name = printf "%s.%s" $name . -}}
{{- end -}}
{{- $name -}}
{{- end -}}
