// Package register links no generator: the kit's secrets are made by their store.
// It stands in the place of the operator's own package of this name.
package register
