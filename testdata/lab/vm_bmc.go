package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// powerPort is where a machine's power is asked for, at its BMC's address: by the script that ipmi_sim calls.
const powerPort = ":9"

// powerScript hands ipmi_sim's questions on. It calls it with the controller's address, get or set, and the rest.
const powerScript = `#!/bin/bash
exec 3<>/dev/tcp/%s/9 || exit 1
shift
echo "$*" >&3
cat <&3
`

const lanConfig = `name "%s"
set_working_mc 0x20
  startlan 1
    addr %s 623
    priv_limit admin
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s 0x20"
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
`

const bmcEmulator = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`

// startBMC starts ipmi_sim for the machine.
func (v *VM) startBMC() error {
	host, _, err := net.SplitHostPort(v.BMC)
	if err != nil {
		return err
	}
	listener, err := v.lab.Listen(host + powerPort)
	if err != nil {
		return err
	}
	v.lab.owned.Go(func() { v.servePower(listener) })
	v.lab.owned.Go(func() {
		<-v.lab.ctx.Done()
		listener.Close()
	})
	for name, text := range map[string]string{
		"chassis": fmt.Sprintf(powerScript, host), "lan.conf": fmt.Sprintf(lanConfig, v.Name, host, v.file("chassis")), "emulator": bmcEmulator,
	} {
		if err := os.WriteFile(v.file(name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	_, err = v.lab.spawn(v.Name+"-bmc", v.file("bmc.log"), nil,
		"ipmi_sim", "-c", v.file("lan.conf"), "-f", v.file("emulator"), "-s", v.dir(), "-n", "-p")
	return err
}

func (v *VM) servePower(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		line, _ := bufio.NewReader(conn).ReadString('\n')
		answer, err := v.chassis(strings.Fields(line))
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Fprintln(conn, answer)
		conn.Close()
	}
}

// chassis answers "get power" and carries out "set power 0", "set reset 1", "set shutdown 1".
func (v *VM) chassis(words []string) (string, error) {
	if len(words) < 2 {
		return "", errors.New("what?")
	}
	switch words[0] + " " + words[1] {
	case "get power":
		if v.Powered() {
			return "power:1", nil
		}
		return "power:0", nil
	case "set power":
		if len(words) > 2 && words[2] == "1" {
			return "", v.on()
		}
		return "", v.cut()
	case "set reset":
		return "", v.qmp("system_reset")
	case "set shutdown":
		return "", v.qmp("system_powerdown")
	}
	return words[1] + ":0", nil
}

// qmp has the emulator do something, and waits for its answer.
func (v *VM) qmp(command string) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(v.lab.ctx, "unix", v.file("qmp"))
	if err != nil {
		return fmt.Errorf("lab: %s: %w", v.Name, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := json.NewDecoder(conn)
	for _, c := range []string{"qmp_capabilities", command} {
		if _, err := fmt.Fprintf(conn, "{\"execute\":%q}\n", c); err != nil {
			return fmt.Errorf("lab: %s: %s: %w", v.Name, c, err)
		}
		if err := answered(in); err != nil {
			return fmt.Errorf("lab: %s: %s: %w", v.Name, c, err)
		}
	}
	return nil
}

// answered reads up to the answer: a greeting and events may come before it.
func answered(in *json.Decoder) error {
	for {
		var m struct {
			Return *json.RawMessage
			Error  *struct{ Desc string }
		}
		switch err := in.Decode(&m); {
		case err != nil:
			return err
		case m.Error != nil:
			return errors.New(m.Error.Desc)
		case m.Return != nil:
			return nil
		}
	}
}
