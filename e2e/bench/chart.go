package main

import (
	"encoding/xml"
	"fmt"
)

// The chart is written here: bars and words in five kinds of elements need no
// library, and the module would have the library's dependencies for one file.

// Lengths are in pixels.
const (
	chartWidth = 900
	margin     = 20
	barHeight  = 16
	barGap     = 3
	nameHeight = 22
	rowGap     = 14
	toolWidth  = 70
	figureRoom = 150 // right of the longest bar, for its figure
)

// colours are the tools', readable in black and white too.
var colours = map[string]string{slipway.name: "#1a66b3", buildx.name: "#e0a030", buildctl.name: "#8a8a8a", kaniko.name: "#b35a1a", sidecar.name: "#5a9a4a"}

type svg struct {
	XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	Width   int      `xml:"width,attr"`
	Height  int      `xml:"height,attr"`
	ViewBox string   `xml:"viewBox,attr"`
	Font    string   `xml:"font-family,attr"`
	Size    int      `xml:"font-size,attr"`
	Title   string   `xml:"title"`
	Bars    []rect   `xml:"rect"`
	Words   []text   `xml:"text"`
}

type rect struct {
	X      int    `xml:"x,attr"`
	Y      int    `xml:"y,attr"`
	Width  int    `xml:"width,attr"`
	Height int    `xml:"height,attr"`
	Fill   string `xml:"fill,attr"`
}

type text struct {
	X      int    `xml:"x,attr"`
	Y      int    `xml:"y,attr"`
	Weight string `xml:"font-weight,attr,omitempty"`
	Anchor string `xml:"text-anchor,attr,omitempty"`
	Words  string `xml:",chardata"`
}

// chart draws the rows' medians. Every row has a scale of its own, for they go
// from milliseconds to minutes: its slowest tool has the longest bar.
func (r report) chart() ([]byte, error) {
	title := "Time by work and tool; every group has a scale of its own"
	if r.quick {
		title = "A quick run: its figures mean nothing"
	}
	picture := svg{Width: chartWidth, Font: "sans-serif", Size: 13, Title: title}
	y := margin
	word := func(x int, t text) {
		t.X, t.Y = x, y+13 // the foot of letters of this size
		picture.Words = append(picture.Words, t)
	}
	bar := func(width int, colour string) {
		picture.Bars = append(picture.Bars, rect{X: margin + toolWidth, Y: y, Width: width, Height: barHeight, Fill: colour})
	}
	word(margin, text{Words: title, Weight: "bold"})
	y += nameHeight + rowGap
	for _, m := range r.rows {
		word(margin, text{Words: m.name})
		y += nameHeight
		figures := m.byTool()
		longest := 0.0
		for _, s := range figures {
			longest = max(longest, s.median)
		}
		for _, t := range m.tools {
			s := figures[t.name]
			width := 0
			label := "failed"
			if s.ok > 0 {
				width = max(1, int(s.median/longest*(chartWidth-2*margin-toolWidth-figureRoom)))
				label = milliseconds(s.median)
				if t.name != slipway.name && figures[slipway.name].ok > 0 {
					label += fmt.Sprintf("  (%.2fx)", ratio(figures[slipway.name], s))
				}
			}
			word(margin+toolWidth-8, text{Words: t.name, Anchor: "end"})
			bar(width, colours[t.name])
			word(margin+toolWidth+width+8, text{Words: label})
			y += barHeight + barGap
		}
		y += rowGap
	}
	background := rect{Width: chartWidth, Height: y + margin, Fill: "white"}
	picture.Bars = append([]rect{background}, picture.Bars...)
	picture.Height = y + margin
	picture.ViewBox = fmt.Sprintf("0 0 %d %d", picture.Width, picture.Height)
	text, err := xml.MarshalIndent(picture, "", " ")
	return append(text, '\n'), err
}
