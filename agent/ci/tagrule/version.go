package tagrule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// semverForm is a version of https://semver.org, which may have a v before it.
var semverForm = func() *regexp.Regexp {
	const number = `(0|[1-9]\d*)`
	const before = `(?:\d*[a-zA-Z-][0-9a-zA-Z-]*|0|[1-9]\d*)` // an identifier of a prerelease
	return regexp.MustCompile(`^v?` + number + `\.` + number + `\.` + number +
		`(?:-(` + before + `(?:\.` + before + `)*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)
}()

const (
	// maxSemver is the longest version that the action's library takes.
	maxSemver = 256
	// maxNumber is the largest number of a version that it takes: one that JavaScript
	// has exactly.
	maxNumber = 1<<53 - 1
)

// version is a version that a rule prints.
type version struct {
	// texts are the values of the expressions.
	texts map[string]string
	// unfinished is that it is no final release.
	unfinished bool
}

// parseSemver parses a semantic version.
func parseSemver(text string) (version, bool) {
	found := semverForm.FindStringSubmatch(strings.TrimSpace(text))
	if found == nil || len(text) > maxSemver {
		return version{}, false
	}
	for _, number := range found[1:4] {
		if n, err := strconv.ParseUint(number, 10, 64); err != nil || n > maxNumber {
			return version{}, false
		}
	}
	v := version{unfinished: found[4] != "", texts: map[string]string{
		"raw": text, "version": strings.Join(found[1:4], "."), "major": found[1], "minor": found[2], "patch": found[3],
	}}
	if v.unfinished {
		v.texts["version"] += "-" + found[4]
	}
	for name, value := range map[string]string{"prerelease": found[4], "build": found[5]} {
		if value == "" {
			continue
		}
		parts := strings.Split(value, ".")
		v.texts[name] = strings.Join(parts, ",")
		for i, part := range parts {
			v.texts[fmt.Sprint(name, ".", i)] = part
		}
	}
	return v, true
}

// pep440Form is a version of https://peps.python.org/pep-0440/, in all spellings.
var pep440Form = regexp.MustCompile(`(?i)^v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d+)?)?` +
	`(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d+)?)?` +
	`(?:[-_.]?(dev)[-_.]?(\d+)?)?` +
	`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

// pep440Words are the other spellings of parts of a version.
var pep440Words = map[string]string{"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc", "rev": "post", "r": "post"}

// parsePEP440 parses a version of a Python package.
func parsePEP440(text string) (version, bool) {
	found := pep440Form.FindStringSubmatch(text)
	if found == nil {
		return version{}, false
	}
	epoch, release := found[1], strings.Split(found[2], ".")
	for i, number := range release {
		release[i] = plain(number)
	}
	normal := strings.Join(release, ".")
	if plain(epoch) != "0" {
		normal = plain(epoch) + "!" + normal
	}
	part := func(before, word, number string) {
		word = strings.ToLower(word)
		if short, ok := pep440Words[word]; ok {
			word = short
		}
		normal += before + word + plain(number)
	}
	if found[3] != "" {
		part("", found[3], found[4])
	}
	switch {
	case found[5] != "":
		part(".", "post", found[5])
	case found[6] != "":
		part(".", found[6], found[7])
	}
	if found[8] != "" {
		part(".", found[8], found[9])
	}
	if found[10] != "" {
		parts := strings.FieldsFunc(found[10], func(r rune) bool { return strings.ContainsRune("-_.", r) })
		for i, p := range parts {
			if strings.Trim(p, "0123456789") == "" {
				p = plain(p)
			}
			parts[i] = strings.ToLower(p)
		}
		// The action's library joins them so; both become a dash in a tag.
		normal += "+" + strings.Join(parts, ",")
	}
	numbers := append(slices.Clone(release), "0", "0")
	return version{
		unfinished: found[3] != "" || found[5] != "" || found[6] != "" || found[8] != "",
		texts: map[string]string{
			"raw": text, "version": normal, "major": numbers[0], "minor": numbers[1], "patch": numbers[2],
		},
	}, true
}

// plain is a number without zeros before it.
func plain(number string) string {
	if number = strings.TrimLeft(number, "0"); number == "" {
		return "0"
	}
	return number
}
