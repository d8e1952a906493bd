// Package judge says what pods, their conditions and events amount to: which
// pods a build may use, what the others wait for, and whether that can pass. It
// is pure: it is handed an Observation, and neither watches nor asks.
package judge
