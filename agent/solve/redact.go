package solve

import "github.com/slipway-build/slipway/internal/sanitize"

// redact removes what URLs hide, also where one stands after name= as in
// --build-context. Anything else is returned as it is.
func redact(value string) string { return sanitize.RedactURLs(value) }
