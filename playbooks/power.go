package playbooks

var _ = register("power", stepType{
	refused: "the step type power is not in this version: switch the machine by hand, or by a command step that calls its BMC",
})
