{{- /* Names, labels and other parts that several templates share. */ -}}

{{- define "grctl.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains "grctl" .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-grctl" .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "grctl.operator" -}}
{{ include "grctl.fullname" . }}-operator
{{- end }}

{{- /* The name of objects without a namespace: two releases may have one name in one cluster. */ -}}
{{- define "grctl.clusterName" -}}
{{ .Release.Namespace }}:{{ include "grctl.operator" . }}
{{- end }}

{{- define "grctl.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "grctl.operator" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "grctl.tlsSecret" -}}
{{ .Values.tls.secretName | default (printf "%s-tls" (include "grctl.operator" .)) }}
{{- end }}

{{- define "grctl.url" -}}
{{ ternary "http" "https" (eq .Values.tls.source "none") }}://{{ include "grctl.operator" . }}.{{ .Release.Namespace }}:8700
{{- end }}

{{- /* The names in the certificate, as JSON: those of the Service, and the extra ones. */ -}}
{{- define "grctl.tlsNames" -}}
{{- $service := printf "%s.%s" (include "grctl.operator" .) .Release.Namespace -}}
{{- $names := list $service (printf "%s.svc" $service) (printf "%s.svc.cluster.local" $service) -}}
{{- concat $names .Values.tls.extraNames | toJson -}}
{{- end }}

{{- define "grctl.selector" -}}
app.kubernetes.io/name: grctl
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "grctl.labels" -}}
{{ include "grctl.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* The tag as it was written. A number of values.yaml is a float here and would become 1e+06. */ -}}
{{- define "grctl.tag" -}}
{{- if kindIs "float64" .Values.image.tag }}{{ int64 .Values.image.tag }}{{ else }}{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "grctl.image" -}}
{{ .Values.image.repository }}:{{ include "grctl.tag" . | default .Chart.AppVersion }}
{{- end }}

{{- define "grctl.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "grctl.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "grctl.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
