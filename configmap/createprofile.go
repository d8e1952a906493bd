package configmap

import (
	"encoding/json"
	"fmt"
	"strings"
)

// withProfile sets the profile below the key Slipway of a node; what else is
// there stays.
func withProfile(own json.RawMessage, profile string) (json.RawMessage, error) {
	if profile == "" {
		return own, nil
	}
	settings := map[string]json.RawMessage{}
	if len(own) > 0 {
		if err := json.Unmarshal(own, &settings); err != nil {
			return nil, fmt.Errorf("key Slipway: %w", err)
		}
	}
	for key := range settings { // they match in any case
		if strings.EqualFold(key, "profile") {
			delete(settings, key)
		}
	}
	text, err := json.Marshal(profile)
	if err != nil {
		return nil, fmt.Errorf("key Slipway: %w", err)
	}
	if settings == nil { // it was null
		settings = map[string]json.RawMessage{}
	}
	settings["profile"] = text
	return json.Marshal(settings)
}
