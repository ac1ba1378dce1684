{{- /* Names, labels and other parts that several templates share. */ -}}

{{- define "worker.fullname" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 48 | trimSuffix "-" }}
{{- end }}

{{- /* The tag as it was written. A number of values.yaml is a float here and would become 1e+06. */ -}}
{{- define "worker.tag" -}}
{{- if kindIs "float64" .Values.image.tag }}{{ int64 .Values.image.tag }}{{ else }}{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "worker.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "worker.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where the chart makes none" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "worker.selector" -}}
app.kubernetes.io/name: grctl-worker
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "worker.labels" -}}
{{ include "worker.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* "yes" if a mounted CA certificate verifies the operator, or nothing. */ -}}
{{- define "worker.hasCa" -}}
{{- if and (hasPrefix "https:" .Values.operator.url) (not .Values.operator.ca.public) -}}yes{{- end -}}
{{- end }}

{{- define "worker.caConfigMap" -}}
{{ .Values.operator.ca.configMap | default (printf "%s-ca" (include "worker.fullname" .)) }}
{{- end }}

{{- define "worker.caPem" -}}
{{- if .Values.operator.ca.pem -}}
{{- .Values.operator.ca.pem -}}
{{- else -}}
{{- $source := splitList "/" .Values.operator.ca.copyFrom -}}
{{- $found := lookup "v1" "ConfigMap" (first $source) (last $source) -}}
{{- if not $found -}}
{{- printf "operator.ca.copyFrom: there is no ConfigMap %q to copy, or nothing can be looked up here (helm template, Argo CD). Give the certificates themselves as operator.ca.pem, or the name of a ConfigMap of yours as operator.ca.configMap." .Values.operator.ca.copyFrom | fail -}}
{{- end -}}
{{- index $found.data "ca.crt" -}}
{{- end -}}
{{- end }}
