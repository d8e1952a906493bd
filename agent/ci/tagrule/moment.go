package tagrule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // agent images have no time zones
	"unicode"
)

// longForms are the abbreviations of whole formats.
var longForms = map[string]string{
	"LTS": "h:mm:ss A", "LT": "h:mm A",
	"L": "MM/DD/YYYY", "LL": "MMMM D, YYYY", "LLL": "MMMM D, YYYY h:mm A", "LLLL": "dddd, MMMM D, YYYY h:mm A",
	"l": "M/D/YYYY", "ll": "MMM D, YYYY", "lll": "MMM D, YYYY h:mm A", "llll": "ddd, MMM D, YYYY h:mm A",
}

var (
	longForm = regexp.MustCompile(`\[[^\[]*\]|\\?(?:LTS|LT|L{1,4}|l{1,4})`)
	// dateToken takes the longest token at each place. A token after a backslash
	// and a text in brackets stand for themselves.
	dateToken = regexp.MustCompile(`\[[^\[]*\]|\\?(?:[Hh]mm(?:ss)?|Mo|M{1,4}|Do|DDDo|D{1,4}|d{2,4}|do?|w[ow]?|W[oW]?|Qo?|N{1,5}|Y{6}|Y{5}|YYYY|YY|y{2,4}|yo?|g{4,5}|gg|G{4,5}|GG|e|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}|x|X|zz?|ZZ?|.)`)
)

// dateTokens are the tokens of moment.js in English,
// https://momentjs.com/docs/#/displaying/format/.
var dateTokens = map[string]func(time.Time) string{
	"M":  func(t time.Time) string { return strconv.Itoa(int(t.Month())) },
	"Mo": func(t time.Time) string { return ordinal(int(t.Month())) },
	"MM": func(t time.Time) string { return t.Format("01") }, "MMM": func(t time.Time) string { return t.Format("Jan") },
	"MMMM":  func(t time.Time) string { return t.Format("January") },
	"Q":     func(t time.Time) string { return strconv.Itoa(quarter(t)) },
	"Qo":    func(t time.Time) string { return ordinal(quarter(t)) },
	"D":     func(t time.Time) string { return strconv.Itoa(t.Day()) },
	"Do":    func(t time.Time) string { return ordinal(t.Day()) },
	"DD":    func(t time.Time) string { return pad(t.Day(), 2) },
	"DDD":   func(t time.Time) string { return strconv.Itoa(t.YearDay()) },
	"DDDo":  func(t time.Time) string { return ordinal(t.YearDay()) },
	"DDDD":  func(t time.Time) string { return pad(t.YearDay(), 3) },
	"d":     func(t time.Time) string { return strconv.Itoa(int(t.Weekday())) },
	"do":    func(t time.Time) string { return ordinal(int(t.Weekday())) },
	"dd":    func(t time.Time) string { return t.Weekday().String()[:2] },
	"ddd":   func(t time.Time) string { return t.Format("Mon") },
	"dddd":  func(t time.Time) string { return t.Format("Monday") },
	"e":     func(t time.Time) string { return strconv.Itoa(int(t.Weekday())) },
	"E":     func(t time.Time) string { return strconv.Itoa(isoWeekday(t)) },
	"w":     func(t time.Time) string { _, w := week(t); return strconv.Itoa(w) },
	"wo":    func(t time.Time) string { _, w := week(t); return ordinal(w) },
	"ww":    func(t time.Time) string { _, w := week(t); return pad(w, 2) },
	"W":     func(t time.Time) string { _, w := t.ISOWeek(); return strconv.Itoa(w) },
	"Wo":    func(t time.Time) string { _, w := t.ISOWeek(); return ordinal(w) },
	"WW":    func(t time.Time) string { _, w := t.ISOWeek(); return pad(w, 2) },
	"gg":    func(t time.Time) string { y, _ := week(t); return pad(y%100, 2) },
	"gggg":  func(t time.Time) string { y, _ := week(t); return pad(y, 4) },
	"ggggg": func(t time.Time) string { y, _ := week(t); return pad(y, 5) },
	"GG":    func(t time.Time) string { y, _ := t.ISOWeek(); return pad(y%100, 2) },
	"GGGG":  func(t time.Time) string { y, _ := t.ISOWeek(); return pad(y, 4) },
	"GGGGG": func(t time.Time) string { y, _ := t.ISOWeek(); return pad(y, 5) },
	"YY":    func(t time.Time) string { return pad(t.Year()%100, 2) },
	"YYYY":  func(t time.Time) string { return pad(t.Year(), 4) },
	"Y":     func(t time.Time) string { return pad(t.Year(), 4) },
	"YYYYY": func(t time.Time) string { return pad(t.Year(), 5) }, "YYYYYY": func(t time.Time) string { return "+" + pad(t.Year(), 6) },
	"y": func(t time.Time) string { return strconv.Itoa(t.Year()) }, "yy": func(t time.Time) string { return strconv.Itoa(t.Year()) },
	"yyy": func(t time.Time) string { return pad(t.Year(), 3) }, "yyyy": func(t time.Time) string { return pad(t.Year(), 4) },
	"yo": func(t time.Time) string { return ordinal(t.Year()) },
	"N":  era("AD"), "NN": era("AD"), "NNN": era("AD"), "NNNN": era("Anno Domini"), "NNNNN": era("AD"),
	"A": func(t time.Time) string { return t.Format("PM") },
	"a": func(t time.Time) string { return t.Format("pm") },
	"H": func(t time.Time) string { return strconv.Itoa(t.Hour()) }, "HH": func(t time.Time) string { return pad(t.Hour(), 2) },
	"h": func(t time.Time) string { return t.Format("3") }, "hh": func(t time.Time) string { return t.Format("03") },
	"k": func(t time.Time) string { return strconv.Itoa(hour24(t)) }, "kk": func(t time.Time) string { return pad(hour24(t), 2) },
	"m": func(t time.Time) string { return strconv.Itoa(t.Minute()) }, "mm": func(t time.Time) string { return pad(t.Minute(), 2) },
	"s": func(t time.Time) string { return strconv.Itoa(t.Second()) }, "ss": func(t time.Time) string { return pad(t.Second(), 2) },
	"hmm":   func(t time.Time) string { return t.Format("304") },
	"hmmss": func(t time.Time) string { return t.Format("30405") },
	"Hmm":   func(t time.Time) string { return strconv.Itoa(t.Hour()) + t.Format("04") },
	"Hmmss": func(t time.Time) string { return strconv.Itoa(t.Hour()) + t.Format("0405") },
	"Z":     func(t time.Time) string { return t.Format("-07:00") }, "ZZ": func(t time.Time) string { return t.Format("-0700") },
	"z": abbreviation, "zz": abbreviation,
	"X": func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	"x": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
}

// formatTime prints a time as moment.js does. Its clock has milliseconds.
func formatTime(at time.Time, format, name string) string {
	in, err := zone(name)
	if err != nil {
		in = time.UTC // the template was refused for it
	}
	at = at.In(in)
	if format == "" {
		format = "YYYY-MM-DDTHH:mm:ssZ"
		if in == time.UTC {
			format = "YYYY-MM-DDTHH:mm:ss[Z]"
		}
	}
	format = longForm.ReplaceAllStringFunc(format, func(found string) string {
		if long, ok := longForms[found]; ok {
			return long
		}
		return found
	})
	return dateToken.ReplaceAllStringFunc(format, func(found string) string {
		switch print, ok := dateTokens[found]; {
		case ok:
			return print(at)
		case found[0] == 'S':
			return (pad(at.Nanosecond()/1e6, 3) + "000000")[:len(found)]
		case found[0] == '[' && len(found) > 1:
			return strings.TrimSuffix(found[1:], "]")
		}
		return strings.ReplaceAll(found, `\`, "")
	})
}

// zone returns a time zone of the IANA database, UTC for the empty name. The case
// of letters does not matter.
func zone(name string) (*time.Location, error) {
	if name == "" || strings.EqualFold(name, "UTC") {
		return time.UTC, nil
	}
	up := true
	title := strings.Map(func(r rune) rune {
		was := up
		up = !unicode.IsLetter(r)
		if was {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, name)
	for _, spelling := range []string{name, title, strings.ToUpper(name)} {
		if spelling == "Local" { // it would be the agent's
			continue
		}
		if in, err := time.LoadLocation(spelling); err == nil {
			return in, nil
		}
	}
	return nil, fmt.Errorf("there is no time zone %q: names are as Europe/Berlin", name)
}

func pad(n, width int) string { return fmt.Sprintf("%0*d", width, n) }

func quarter(t time.Time) int { return (int(t.Month())-1)/3 + 1 }

func hour24(t time.Time) int {
	if t.Hour() == 0 {
		return 24
	}
	return t.Hour()
}

func isoWeekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

// week is the week that begins with a Sunday; the first one of a year is that of 1
// January.
func week(t time.Time) (year, number int) {
	saturday := t.AddDate(0, 0, 6-int(t.Weekday()))
	return saturday.Year(), (saturday.YearDay()-1)/7 + 1
}

func ordinal(n int) string {
	end := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return strconv.Itoa(n) + end
}

func era(name string) func(time.Time) string { return func(time.Time) string { return name } }

func abbreviation(t time.Time) string {
	name, _ := t.Zone()
	return name
}
