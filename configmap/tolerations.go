package configmap

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// tolerationParts are the keys of a toleration.
func tolerationParts() []string {
	return []string{"key", "operator", "value", "effect", "tolerationSeconds"}
}

// readTolerations reads "key=k,operator=Exists;key=…". The rules are those
// that the API server applies to a pod's tolerations.
func readTolerations(v string, r report) []corev1.Toleration {
	var list []corev1.Toleration
	for text := range strings.SplitSeq(strings.Trim(v, `"`), ";") {
		if strings.TrimSpace(text) == "" {
			r.bad("a toleration is empty")
			continue
		}
		list = append(list, readToleration(text, r))
	}
	return list
}

func readToleration(text string, r report) corev1.Toleration {
	var t corev1.Toleration
	var seen []string
	fits := true // so far; what does not fit is not worth a second look
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			r.bad("%q in toleration %q is not of the form key=value", part, text)
			fits = false
			continue
		case slices.Contains(seen, name):
			r.bad("%s is given twice in toleration %q", name, text)
			fits = false
			continue
		}
		seen = append(seen, name)
		fits = setToleration(&t, name, value, text, r) && fits
	}
	if fits {
		checkToleration(t, text, r)
	}
	return t
}

func setToleration(t *corev1.Toleration, name, value, text string, r report) bool {
	switch name {
	case "key":
		t.Key = value
	case "value":
		t.Value = value
	case "operator":
		known := []string{string(corev1.TolerationOpExists), string(corev1.TolerationOpEqual)}
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, value) })
		if i < 0 {
			r.hinting("%s", didYouMean(value, known)).bad("%q in toleration %q is no operator; Exists and Equal are", value, text)
			return false
		}
		t.Operator = corev1.TolerationOperator(known[i])
	case "effect":
		known := []string{string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectPreferNoSchedule), string(corev1.TaintEffectNoExecute)}
		if !slices.Contains(known, value) {
			r.hinting("%s", didYouMean(value, known)).bad("%q in toleration %q is no effect; %s are", value, text, strings.Join(known, ", "))
			return false
		}
		t.Effect = corev1.TaintEffect(value)
	case "tolerationSeconds":
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			r.bad("tolerationSeconds in toleration %q is not a whole number", text)
			return false
		}
		t.TolerationSeconds = &seconds
	default:
		r.hinting("%s", didYouMean(name, tolerationParts())).bad("%q in toleration %q is unknown", name, text)
		return false
	}
	return true
}

func checkToleration(t corev1.Toleration, text string, r report) {
	exists := t.Operator == corev1.TolerationOpExists
	if t.Key == "" && !exists {
		r.bad("toleration %q has no key; only operator=Exists goes without one", text)
	}
	if t.Key != "" {
		r.badAll("the key of toleration "+strconv.Quote(text), validation.IsQualifiedName(t.Key))
	}
	if exists && t.Value != "" {
		r.bad("toleration %q has a value, which operator=Exists does not take", text)
	}
	if !exists {
		r.badAll("the value of toleration "+strconv.Quote(text), validation.IsValidLabelValue(t.Value))
	}
	if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
		r.bad("toleration %q has tolerationSeconds, which needs effect=NoExecute", text)
	}
}
