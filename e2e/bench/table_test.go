package main

import "testing"

func TestRow(t *testing.T) {
	slipway := []sample{{WallMS: 100, CPUMS: 20, MaxRSSKB: 30000}, {WallMS: 300, CPUMS: 40, MaxRSSKB: 35000}, {WallMS: 200, CPUMS: 30, MaxRSSKB: 1000}}
	buildx := []sample{{WallMS: 1500, CPUMS: 50, MaxRSSKB: 60000}, {WallMS: 500, CPUMS: 70, MaxRSSKB: 50000}}
	want := "| work | 200 ms (100 ms–300 ms) | 1.0 s (500 ms–1.5 s) | 5.0x | 30 ms, 35 MB | 60 ms, 60 MB |"
	if got := row("work", slipway, buildx); got != want {
		t.Errorf("row:\n got %s\nwant %s", got, want)
	}
	alone := "| work | 200 ms (100 ms–300 ms) | refused | | 30 ms, 35 MB | |"
	if got := row("work", slipway, nil); got != alone {
		t.Errorf("row without buildx:\n got %s\nwant %s", got, alone)
	}
}
