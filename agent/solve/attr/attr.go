// Package attr checks values of attributes, the KEY=VALUE parts of flags. Each
// check returns what is wrong with a value, such that "KEY=VALUE <problem>" is a
// sentence, and "" for nothing.
package attr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Anything accepts every value.
func Anything(string) string { return "" }

// NotEmpty accepts every value but the empty one.
func NotEmpty(value string) string {
	if value == "" {
		return "is empty"
	}
	return ""
}

// Boolean accepts what strconv.ParseBool does.
func Boolean(value string) string {
	if _, err := strconv.ParseBool(value); err != nil {
		return "is neither true nor false"
	}
	return ""
}

// Positive accepts whole numbers from 1.
func Positive(value string) string {
	if n, err := strconv.Atoi(value); err != nil || n < 1 {
		return "is not a whole number from 1"
	}
	return ""
}

// Number accepts whole numbers.
func Number(value string) string {
	if _, err := strconv.Atoi(value); err != nil {
		return "is not a whole number"
	}
	return ""
}

// Duration accepts what time.ParseDuration does.
func Duration(value string) string {
	if _, err := time.ParseDuration(value); err != nil {
		return "is not a duration such as 10m or 24h"
	}
	return ""
}

// OneOf returns a check that accepts these values.
func OneOf(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return fmt.Sprintf("is none of %s", strings.Join(values, ", "))
	}
}
