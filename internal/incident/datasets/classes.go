package datasets

import (
	"slices"
	"strings"

	"shirase/internal/incident"
)

// mapping is what a data set calls the words of a vocabulary of ours. The first name is the one that is written; all of
// them are read. Names that map to no word become "other" and are kept.
type mapping []struct {
	word  string
	names []string
}

// word returns ours for a name, or "".
func (m mapping) word(name string) string {
	for _, e := range m {
		if slices.ContainsFunc(e.names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return e.word
		}
	}
	return ""
}

// name returns the name that is written for a word. A word with a form that the data set does not tell apart gets the
// name of the word without it. "" where there is none.
func (m mapping) name(word string) string {
	plain, _, _ := strings.Cut(word, ":")
	for _, w := range []string{word, plain} {
		for _, e := range m {
			if e.word == w {
				return e.names[0]
			}
		}
	}
	return ""
}

// classFacts maps the names of data classes. Several names of one class are one fact, which keeps them where they say
// more than the class; those without a class are a fact each.
func classFacts(m mapping, names []string) []incident.Fact {
	var out []incident.Fact
	originals := map[string][]string{}
	var order []string
	for _, name := range names {
		if name = tidy(name); name == "" {
			continue
		}
		word := m.word(name)
		if word == "" {
			f := incident.Fact{Item: incident.ItemID("other:" + name), Value: incident.Value{Word: "other", Original: cut(name, 200)}}
			if !slices.ContainsFunc(out, func(o incident.Fact) bool { return o.Item == f.Item }) {
				out = append(out, f)
			}
			continue
		}
		if _, seen := originals[word]; !seen {
			order = append(order, word)
		}
		if !slices.Contains(originals[word], name) {
			originals[word] = append(originals[word], name)
		}
	}
	for _, word := range order {
		f := incident.Fact{Item: word, Value: incident.Value{Word: word}}
		if list := originals[word]; len(list) > 1 || list[0] != m.name(word) {
			f.Value.Original = cut(strings.Join(list, "; "), 200)
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b incident.Fact) int { return strings.Compare(a.Item, b.Item) })
	return out
}

// hibpClasses maps the data classes of Have I Been Pwned (https://haveibeenpwned.com/api/v3/dataclasses).
var hibpClasses = mapping{
	{"email", []string{"Email addresses", "Recovery email addresses"}},
	{"password", []string{"Passwords", "Historical passwords"}},
	{"security-question", []string{"Security questions and answers", "Password hints", "Mothers maiden names"}},
	{"auth-token", []string{"Auth tokens", "Encrypted keys"}},
	{"pin", []string{"PINs"}},
	{"payment-card", []string{"Credit cards"}},
	{"payment-card:code", []string{"Credit card CVV"}},
	{"payment-card:partial", []string{"Partial credit card data"}},
	{"bank-account", []string{"Bank account numbers"}},
	{"crypto-wallet", []string{"Cryptocurrency wallet addresses", "Mnemonic phrases"}},
	{"national-id:ssn", []string{"Social security numbers"}},
	{"passport", []string{"Passport numbers"}},
	{"driving-licence", []string{"Driver's licenses"}},
	{"identity-document", []string{"Government issued IDs", "Partial government issued IDs"}},
	{"insurance-number", []string{"Health insurance information"}},
	{"phone", []string{"Phone numbers", "Partial phone numbers"}},
	{"name", []string{"Names", "Salutations"}},
	{"nickname", []string{"Nicknames", "Display names"}},
	{"account-id", []string{"Usernames"}},
	{"address", []string{"Physical addresses"}},
	{"location", []string{"Geographic locations", "Latitude and longitude pairs", "Time zones"}},
	{"birth-date", []string{"Dates of birth", "Partial dates of birth", "Astrological signs"}},
	{"age", []string{"Ages", "Age groups"}},
	{"gender", []string{"Genders"}},
	{"health", []string{"Personal health data", "HIV statuses", "Disabilities", "Drug habits"}},
	{"biometric", []string{"Biometric data"}},
	{"physical-trait", []string{"Physical attributes", "Tattoo status", "Beauty ratings"}},
	{"ethnicity", []string{"Ethnicities", "Races"}},
	{"religion", []string{"Religions"}},
	{"political-view", []string{"Political views", "Political donations"}},
	{"sexuality", []string{"Sexual orientations", "Sexual fetishes"}},
	{"nationality", []string{"Nationalities", "Citizenship statuses", "Places of birth"}},
	{"family", []string{"Family structure", "Marital statuses", "Relationship statuses", "Family members' names", "Spouses names", "Parenting plans"}},
	{"employer", []string{"Employers", "Company names"}},
	{"occupation", []string{"Occupations", "Job titles", "Career levels", "Employment statuses", "Professional skills", "Years of professional experience"}},
	{"job-application", []string{"Job applications"}},
	{"education", []string{"Education levels", "Academic records", "School grades (class levels)"}},
	{"finances", []string{"Income levels", "Account balances", "Credit status information", "Credit scores", "Net worths", "Financial investments", "Loan information", "Taxation records", "Earnings", "Living costs", "Socioeconomic levels", "Home ownership statuses", "Car ownership statuses"}},
	{"payment-history", []string{"Payment histories", "Financial transactions", "Payment methods", "Utility bills", "Charitable donations"}},
	{"purchase-history", []string{"Purchases", "Purchasing habits", "Buying preferences", "Warranty claims", "Shipment tracking numbers", "Delivery instructions"}},
	{"loyalty", []string{"Loyalty program details", "Reward program balances", "VIP statuses"}},
	{"vehicle", []string{"Vehicle details", "Vehicle identification numbers (VINs)", "Vehicle registration plates", "Licence plates"}},
	{"travel", []string{"Travel habits", "Travel plans", "Flights taken"}},
	{"photo", []string{"Photos", "Profile photos", "Avatars"}},
	{"recording", []string{"Audio recordings"}},
	{"message-content", []string{"Private messages", "Email messages", "Chat logs", "SMS messages", "AI prompts"}},
	{"support-record", []string{"Support tickets", "Customer service records", "Customer interactions", "Customer feedback"}},
	{"contacts", []string{"Address book contacts", "Social connections"}},
	{"social-profile", []string{"Social media profiles", "Instant messenger identities", "User website URLs", "Homepage URLs"}},
	{"profile", []string{"Bios", "Personal descriptions", "Personal interests", "Smoking habits", "Drinking habits", "Eating habits", "Work habits", "Fitness levels", "Clothing sizes", "IQ levels", "Language preferences", "Spoken languages"}},
	{"activity", []string{"Website activity", "Browsing histories", "Login histories", "Forum posts", "Comments", "Survey results", "Appointments", "User statuses", "Profile statistics", "Device usage tracking data", "Apps installed on devices"}},
	{"ip-address", []string{"IP addresses"}},
	{"device", []string{"Device information", "Browser user agent details", "IMEI numbers", "IMSI numbers", "MAC addresses", "Device serial numbers", "Telecommunications carrier", "Cellular network names"}},
}
