// From go.bytecodealliance.org/pkg v0.2.3 (Apache-2.0 WITH LLVM-exception), unchanged: what generated bindings build on.

package wit_types

type Unit struct{}
