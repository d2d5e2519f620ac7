// Package bmctest holds what the types of package bmc are tested with: a machine that can be switched, a Redfish service
// with the resources of two vendors' machines, and the conformance suite that every type passes.
package bmctest
