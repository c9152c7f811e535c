// Package mirror gives back what it is given.
package mirror

import (
	"fmt"
	"slices"

	log "local/mirror/gen/flowstone_plugin_log"
	types "local/mirror/gen/local_mirror_types"
	wit "local/mirror/gen/wit/types"
)

func ShapesArea(shape types.Shape) (float64, error) {
	if shape.Tag() != types.ShapeCircle {
		return 0, fmt.Errorf("shape %d has no area", shape.Tag())
	}
	log.Log(log.LevelInfo, "a circle")
	return 3 * shape.Circle() * shape.Circle(), nil
}

func SizesArea(shape types.Shape) wit.Option[uint32] {
	if shape.Tag() != types.ShapePath {
		return wit.None[uint32]()
	}
	return wit.Some(uint32(len(shape.Path())))
}

func Scalars(a uint8, b int64, c float32, d bool, e rune, f string, g []uint8) float64 {
	sum := float64(a) + float64(b) + float64(c) + float64(e) + float64(len(f)) + float64(len(g))
	if d {
		return sum
	}
	return -sum
}

func Maybe(a wit.Option[uint32], b wit.Option[string], c wit.Tuple2[uint32, string], d wit.Result[uint32, string]) []wit.Option[types.Point] {
	point := types.Point{X: float64(a.SomeOr(7)), Y: float64(len(b.SomeOr("")) + int(c.F0) + len(c.F1))}
	if d.IsOk() {
		point.Y += float64(d.Ok())
	}
	return []wit.Option[types.Point]{wit.Some(point), wit.None[types.Point]()}
}

func Add(shapes []types.Shape, marks types.Marks, color types.Color) []types.Shape {
	return append(shapes, types.MakeShapeNamed(wit.Tuple2[string, uint32]{F0: fmt.Sprint(marks), F1: uint32(color)}))
}

func Turn(parcel types.Parcel) types.Parcel {
	parcel.Id++
	if parcel.Checked.IsOk() {
		parcel.Checked = wit.Err[wit.Unit, wit.Unit](wit.Unit{})
	} else {
		parcel.Checked = wit.Ok[wit.Unit, wit.Unit](wit.Unit{})
	}
	parcel.Marks ^= types.MarksBold | types.MarksWide
	parcel.Ratio *= -2
	offset := &parcel.Offset
	offset.F0, offset.F1, offset.F2 = -offset.F0, -offset.F1, -offset.F2
	slices.Reverse(parcel.Shapes)
	return parcel
}

func Some(text string) wit.Option[string] {
	if text == "trap" {
		panic("so it goes")
	}
	if text == "" {
		return wit.None[string]()
	}
	return wit.Some(text)
}

func Nothing(text string) error {
	if text == "" {
		return nil
	}
	return fmt.Errorf("%s", text)
}

func Bare(text string) wit.Result[string, wit.Unit] {
	if text == "" {
		return wit.Err[string, wit.Unit](wit.Unit{})
	}
	return wit.Ok[string, wit.Unit](text)
}

func Nested(lists [][]string) (uint32, [][]uint8) {
	var all [][]uint8
	for _, list := range lists {
		for _, text := range list {
			all = append(all, []uint8(text))
		}
	}
	return uint32(len(lists)), all
}

func Columns(points []wit.Option[types.Point]) (wit.Option[[]uint32], error) {
	var columns []uint32
	for _, point := range points {
		if point.IsSome() {
			columns = append(columns, uint32(point.Some().X))
		}
	}
	if columns == nil {
		return wit.None[[]uint32](), nil
	}
	return wit.Some(columns), nil
}
