package wit_types

// Of makes a result of what functions in Go usually return.
func Of[T any](value T, err error) Result[T, string] {
	if err != nil {
		return Err[T, string](err.Error())
	}
	return Ok[T, string](value)
}

// OfError makes a result without a value of what functions in Go usually return.
func OfError(err error) Result[Unit, string] {
	return Of(Unit{}, err)
}
