{{/* The labels of everything. */}}
{{- define "kaboom.labels" -}}
{{ include "kaboom.selector" . }}
app.kubernetes.io/part-of: kaboom
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What finds the pods of one part; it never changes. */}}
{{- define "kaboom.selector" -}}
app.kubernetes.io/name: kaboom
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "kaboom.metadata" -}}
name: {{ .root.Release.Name }}-{{ .part }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "kaboom.labels" . | nindent 2 }}
{{- end }}

{{/* What every pod says of itself before its containers. */}}
{{- define "kaboom.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
volumes:
- {name: tmp, emptyDir: {}}
{{- with .Values.dataClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end }}

{{/* What every container is: the image by its digest, confined, with the secret and the settings. They are inline, so that a
change of them starts new pods, and so that the migration, which runs before all else is there, has them. */}}
{{- define "kaboom.container" -}}
image: {{ .root.Values.image.repository }}@{{ .root.Values.image.digest }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
- {name: tmp, mountPath: /tmp}
{{- if .root.Values.dataClaim }}
- {name: data, mountPath: /var/lib/kaboom}
{{- end }}
envFrom:
- secretRef: {name: {{ .root.Values.existingSecret }}}
env:
{{- $own := dict
  "KABOOM_DATA_DIR" (ternary "/var/lib/kaboom" "/tmp/kaboom" (ne .root.Values.dataClaim ""))
  "KABOOM_PROXY_HOPS" "1"
  "KABOOM_RELEASE" .root.Chart.AppVersion
  "KABOOM_SLOTS" (mul .root.Values.worker.concurrency .root.Values.worker.maxReplicas | toString) }}
{{- if .root.Values.ingress.enabled }}
{{- $_ := set $own "KABOOM_PUBLIC_URL" (printf "https://%s" .root.Values.ingress.host) }}
{{- end }}
{{- range $name, $value := mergeOverwrite (deepCopy .root.Values.settings) $own (.env | default dict) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
