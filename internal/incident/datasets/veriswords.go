package datasets

import (
	"regexp"
	"strings"
)

// verisVarieties are the words that VERIS 1.4.1 has for what was done, by its kinds. Other versions have others: of a
// word that is not here, "Other" is written.
var verisVarieties = map[string][]string{
	"hacking": {
		"Abuse of functionality", "Backdoor", "Brute force", "Buffer overflow", "Cache poisoning", "Cryptanalysis", "CSRF",
		"Disable controls", "DoS", "Evade Defenses", "Exploit misconfig", "Exploit vuln", "Forced browsing", "Format string attack",
		"Fuzz testing", "Hijack", "HTTP request smuggling", "HTTP request splitting", "HTTP response smuggling", "HTTP response splitting",
		"Insecure deserialization", "Integer overflows", "LDAP injection", "Mail command injection", "AitM", "Null byte injection",
		"Offline cracking", "OS commanding", "Pass-the-hash", "Path traversal", "Profile host", "Prompt injection", "Reverse engineering",
		"RFI", "Routing detour", "Scan network", "Session fixation", "Session prediction", "Session replay", "Soap array abuse",
		"Special element injection", "SQLi", "SSI injection", "URL redirector abuse", "Use of stolen creds", "User breakout",
		"Virtual machine escape", "XML attribute blowup", "XML entity expansion", "XML external entities", "XML injection",
		"XPath injection", "XQuery injection", "XSS", "Other", "Unknown",
	},
	"malware": {
		"Adminware", "Adware", "Backdoor", "Backdoor or C2", "Brute force", "C2", "Capture app data", "Capture stored data", "Click fraud",
		"Click fraud and cryptocurrency mining", "Client-side attack", "Cryptocurrency mining", "Destroy data", "In-memory", "AitM",
		"Modify data", "Disable controls", "DoS", "Downloader", "Exploit misconfig", "Evade Defenses", "Exploit vuln", "Export data",
		"Packet sniffer", "Pass-the-hash", "Password dumper", "Profile host", "RAM scraper", "Ransomware", "RAT", "Rootkit", "Scan network",
		"Spam", "Spyware/Keylogger", "Trojan", "Worm", "Other", "Unknown",
	},
	"social": {
		"Baiting", "Bribery", "Elicitation", "Evade Defenses", "Extortion", "Forgery", "Influence", "Phishing", "Pretexting",
		"Prompt bombing", "Propaganda", "Scam", "Spam", "Other", "Unknown",
	},
	"misuse": {
		"Data mishandling", "Email misuse", "Evade Defenses", "Illicit content", "Knowledge abuse", "Net misuse",
		"Password or Session Sharing", "Possession abuse", "Privilege abuse", "Snap picture", "Unapproved hardware", "Unapproved software",
		"Unapproved workaround", "Other", "Unknown",
	},
	"physical": {
		"Assault", "Bypassed controls", "Connection", "Destruction", "Disabled controls", "Evade Defenses", "Skimmer", "Snooping",
		"Surveillance", "Tampering", "Theft", "Wiretapping", "Other", "Unknown",
	},
	"error": {
		"Capacity shortage", "Classification error", "Data entry error", "Disposal error", "Gaffe", "Loss", "Maintenance error",
		"Malfunction", "Misconfiguration", "Misdelivery", "Misinformation", "Physical accidents", "Programming error", "Publishing error",
		"Other", "Unknown",
	},
	"environmental": {
		"Deterioration", "Earthquake", "EMI", "ESD", "Fire", "Flood", "Hazmat", "Humidity", "Hurricane", "Ice", "Landslide", "Leak",
		"Lightning", "Meteorite", "Particulates", "Pathogen", "Power failure", "Temperature", "Tornado", "Tsunami", "Vermin", "Volcano",
		"Wind", "Other", "Unknown",
	},
	"unknown": {"Unknown"},
}

// verisCauses maps actions, the most telling first: how they came in before what they then did. Credentials that were
// stolen on the way are no passwords leaked elsewhere.
var verisCauses = mapping{
	{"ransomware", []string{"malware: Ransomware"}},
	{"web-skimming", []string{"malware: Capture app data"}},
	{"phishing", []string{"social: Phishing", "social: Pretexting"}},
	{"malware", []string{"malware: Unknown", "malware: *"}},
	{"credential-stuffing", []string{"hacking: Use of stolen creds", "hacking: Brute force"}},
	{"intrusion", []string{"hacking: Unknown", "hacking: *"}},
	{"insider", []string{"misuse: Unknown", "misuse: *"}},
	{"theft", []string{"physical: Theft", "physical: *"}},
	{"misdelivery", []string{"error: Misdelivery"}},
	{"lost-media", []string{"error: Loss", "error: Disposal error"}},
	{"misconfiguration", []string{"error: Misconfiguration"}},
	{"defect", []string{"error: Programming error"}},
}

// verisClasses maps attribute.confidentiality.data.variety.
var verisClasses = mapping{
	{"personal", []string{"Personal"}},
	{"sensitive", []string{"Sensitive Personal"}},
	{"credential", []string{"Credentials"}},
	{"auth-token", []string{"Session key", "API key", "Multi-factor credential", "Digital certificate"}},
	{"payment-card", []string{"Payment"}},
	{"bank-account", []string{"Bank"}},
	{"health", []string{"Medical"}},
	{"crypto-wallet", []string{"Virtual currency"}},
	{"business-secret", []string{"Internal", "Secrets", "Classified"}},
	{"source-code", []string{"Source code"}},
	{"system", []string{"System"}},
	{"other", []string{"Other"}},
}

// verisName returns the variety that a class is written as: what VERIS does not tell apart is personal data, or a
// password.
func verisName(class string) string {
	if name := verisClasses.name(class); name != "" {
		return name
	}
	switch plain, _, _ := strings.Cut(class, ":"); plain {
	case "password", "pin", "security-question":
		return "Credentials"
	case "insurance-number":
		return "Medical"
	case "biometric", "ethnicity", "religion", "political-view", "sexuality":
		return "Sensitive Personal"
	}
	return "Personal"
}

// naics maps our sectors to the North American Industry Classification; the longest prefix wins. The first code is the
// one that is written.
var naics = mapping{
	{"finance", []string{"52"}},
	{"health", []string{"62"}},
	{"education", []string{"61"}},
	{"government", []string{"92"}},
	{"retail", []string{"44", "45"}},
	{"internet", []string{"518", "519", "516"}},
	{"software", []string{"5132", "5112", "5415"}},
	{"telecom", []string{"517"}},
	{"media", []string{"512", "511", "513", "515", "71"}},
	{"travel", []string{"72", "5615"}},
	{"transport", []string{"48", "49"}},
	{"manufacturing", []string{"31", "32", "33"}},
	{"energy", []string{"22"}},
	{"construction", []string{"23", "53"}},
	{"professional", []string{"54"}},
	{"nonprofit", []string{"813"}},
}

// naicsCode is what VERIS takes for an industry.
var naicsCode = regexp.MustCompile(`^(00|11|2[1-3]|3[1-3]|4[24589]|5[1-6]|6[1-2]|7[12]|81|92)\d{0,4}$`)

func naicsSector(code string) (word, original string) {
	code = tidy(code)
	if code == "" || strings.Trim(code, "0") == "" || strings.EqualFold(code, "Unknown") {
		return "", ""
	}
	word, longest := "other", 0
	for _, e := range naics {
		for _, prefix := range e.names {
			if strings.HasPrefix(code, prefix) && len(prefix) > longest {
				word, longest = e.word, len(prefix)
			}
		}
	}
	if naics.name(word) == code {
		return word, ""
	}
	return word, cut("NAICS "+code, 200)
}

// formerCountries are the codes that are facts of ours, as they are in use or were, and no words of VERIS.
var formerCountries = strings.Fields(`AC AN BU CP CQ CS CT DD DG DY EA EZ FQ FX HV IC JT MI NH NQ NT PC PU PZ RH SU TA TP UK UN VD WK YD YU ZR`)
