package dockerimages

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/table"
)

// sizeText is a size, for people or in bytes.
func sizeText(n int64, human bool) string {
	if !human {
		return strconv.FormatInt(n, 10)
	}
	return units.HumanSizeWithPrecision(float64(n), 3)
}

// sinceText is a time, for people as how long ago it was. Images that can be built again
// to the byte have no time.
func sinceText(t, now time.Time, human bool) string {
	if t.Unix() <= 0 && human {
		return "N/A"
	}
	if !human {
		return t.UTC().Format(time.RFC3339)
	}
	return units.HumanDuration(now.Sub(t)) + " ago"
}

func writeHistory(w io.Writer, rows []HistoryRow) error {
	out := table.New(w, 3, 0)
	fmt.Fprintln(out, "IMAGE\tCREATED\tCREATED BY\tSIZE\tCOMMENT")
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join([]string{row.ID, row.CreatedSince, row.CreatedBy, row.Size, row.Comment}, "\t"))
	}
	return out.Flush()
}
