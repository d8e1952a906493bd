package solve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The checks of attribute values. Each returns what is wrong with a value,
// such that "KEY=VALUE <problem>" is a sentence, and "" for nothing.

func wantAnything(string) string { return "" }

func wantSome(value string) string {
	if value == "" {
		return "is empty"
	}
	return ""
}

func wantBoolean(value string) string {
	if _, err := strconv.ParseBool(value); err != nil {
		return "is neither true nor false"
	}
	return ""
}

// wantPositive accepts whole numbers from 1.
func wantPositive(value string) string {
	if n, err := strconv.Atoi(value); err != nil || n < 1 {
		return "is not a whole number from 1"
	}
	return ""
}

func wantNumber(value string) string {
	if _, err := strconv.Atoi(value); err != nil {
		return "is not a whole number"
	}
	return ""
}

func wantDuration(value string) string {
	if _, err := time.ParseDuration(value); err != nil {
		return "is not a duration such as 10m or 24h"
	}
	return ""
}

func wantOneOf(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return fmt.Sprintf("is none of %s", strings.Join(values, ", "))
	}
}
