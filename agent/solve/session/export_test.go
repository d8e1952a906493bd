package session

// RefusalTexts are the messages of TestParseRefusal.
func RefusalTexts() []string {
	var texts []string
	for _, r := range refusals {
		texts = append(texts, r.text)
	}
	return texts
}
