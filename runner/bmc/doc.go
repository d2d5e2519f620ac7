// Package bmc reaches a machine past its operating system: through its baseboard management controller, or whatever
// else can switch it.
//
//	p, err := bmc.Open(bmc.Config{Type: bmc.Redfish, Address: "10.1.2.7", User: "admin", Password: password})
//	state, err := p.State(ctx)             // on or off
//	err = bmc.TurnOff(ctx, p, time.Minute, log.Print) // asks the operating system; takes the power away where it doesn't listen
//
// There are four types. Redfish and IPMI 2.0 (lanplus) can do all there is. Command runs the operator's own programs,
// for a switched socket or a vendor's tool. Wake is Wake-on-LAN, which can turn on and no more. What every type can do
// is Starter; whatever is more is an interface of its own, asked for by a type assertion: Power, Booter, Sensors, Log,
// Parts, Locator.
//
// Nothing is kept open between two calls: a hold lasts for days, and a BMC has few sessions to give away. Every call
// ends within Config.Timeout or with its context. Every error names the BMC's address, what went wrong, and the way
// out. A password never stands in an error, nor in any argument list.
//
// bmctest holds the conformance suite that each type passes, and a Redfish service of two vendors' machines.
package bmc
