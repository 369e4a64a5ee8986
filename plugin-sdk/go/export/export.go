// Package export makes a wasmplex module of a program: importing it adds the functions
// that the host calls.
//
// A command (a program from os.Stdin to os.Stdout) must not import it, as it would be
// taken for a module and its main would not run.
package export

import "wasmplex"

// createPlugin is what Plugin was given.
var createPlugin func() wasmplex.Plugin

// Plugin names the plugin of this module. To be called once, in an init function, as a
// module's main never runs. The host has a plugin made for each exchange, just before
// the response head leaves, when all of package wasmplex is of use.
//
// Natively it does nothing but keep to these rules.
//
// It panics if it is called twice or with nil.
func Plugin(create func() wasmplex.Plugin) {
	if create == nil {
		panic("export.Plugin: create is nil")
	}
	if createPlugin != nil {
		panic("export.Plugin: a module has one plugin, and this is the second")
	}
	createPlugin = create
}
