{{/*
slipway.pod is the part of the Jobs' pods that they share: it passes the
restricted Pod Security Standard. It takes {root, account, settings,
containers}, the containers as a list of {name, args}.
*/}}
{{- define "slipway.pod" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: true # it talks to the API server
restartPolicy: Never
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  {{- range .containers }}
  - name: {{ .name }}
    image: {{ include "slipway.image" $.root }}
    {{- with $.root.Values.image.pullPolicy }}
    imagePullPolicy: {{ . }}
    {{- end }}
    command: [slipway]
    args: {{ toJson .args }}
    # The end of the log, where the error stands, in the status of the pod.
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    resources:
      {{- toYaml $.settings.resources | nindent 6 }}
    volumeMounts:
      - name: definitions
        mountPath: /etc/slipway/definitions
        readOnly: true
  {{- end }}
volumes:
  - name: definitions
    configMap:
      name: {{ include "slipway.definitions" .root }}
{{- end -}}

{{- define "slipway.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
