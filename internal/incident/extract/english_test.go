package extract

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEnglishExcerpts holds of short texts, as letters to an authority have them: what each states, by key, and nothing
// else. Keys that a case does not look at are left out.
func TestEnglishExcerpts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`Juniper Hollow Inc. recently learned that an unauthorized individual may have gained access to one of its databases. We became aware of the issue on May 12, 2017. The access took place between the evening of April 30, 2017 and the morning of May 2, 2017.`,
			`organisation Juniper Hollow Inc.; discovered 2017-05-12; window.start 2017-04-30; window.end 2017-05-02; cause intrusion`},
		{`We are writing because of a theft that took place at our Dayton office over the weekend of August 3-4, 2013. Someone broke in and stole a safe and two desktop computers. The computers had our customers' names, addresses and driver's license numbers on them.`,
			`window.start 2013-08-03; window.end 2013-08-04; data-class name; data-class address; data-class driving-licence; cause theft`},
		{`On or about 6/14/2016, an employee of Tannery Row Credit Union mistakenly e-mailed a spreadsheet to another member. The spreadsheet listed your name, account number, and Social Security number. The member who received it has confirmed in writing that it was deleted.`,
			`organisation Tannery Row Credit Union; window.start 2016-06-14; data-class name; data-class bank-account; data-class national-id; cause misdirected-mail`},
		{`What happened? During the week of January 11, 2021, Osprey Fitness discovered that someone had logged in to customer accounts with email addresses and passwords that were likely taken from breaches of other companies. The log-ins occurred from December 28, 2020 through January 9, 2021.`,
			`organisation Osprey Fitness; window.start 2020-12-28; window.end 2021-01-09; cause credential-stuffing`},
		{`I am the owner of Pell & Daughters Bookkeeping. On 2/27/2019 I found out that a stranger had been able to get into my e-mail account. Tax returns of my clients were in it.`,
			`organisation Pell & Daughters Bookkeeping; discovered 2019-02-27; data-class finances; cause intrusion`},
		{`Sablefish Brewing was recently the victim of a ransomware attack that encrypted files on our servers. The attack was detected on July 8, 2022, and we shut down our network within an hour. We do not know whether the attackers took any personal data.`,
			`organisation Sablefish Brewing; discovered 2022-07-08; contained 2022-07-08; cause ransomware`},
		{`On October 21, 2014, a box with patient charts fell off a courier's truck and could not be found. It held the names, diagnoses and dates of birth of 83 patients of Fennimore Eye Clinic. We were told of the loss on October 23, 2014.`,
			`organisation Fennimore Eye Clinic; window.start 2014-10-21; discovered 2014-10-23; affected.count 83 persons; data-class name; data-class health; data-class birth-date; cause lost-media`},
		{`Between approximately March 2015 and November 2015, malware on the point-of-sale terminals of Copperline Grill collected the card number, expiration date and cardholder name of cards that were swiped. Card security codes were not collected.`,
			`window.start 2015-03; window.end 2015-11; data-class payment-card; cause malware`},
		{`Wexley Tours has discovered that a setting on our booking page let anyone with the link see other travelers' reservations. The page was exposed from 9 June 2020 until 30 June 2020, when we fixed the setting. Names, passport numbers and itineraries of 1,204 travelers could be seen. We are not aware that anybody misused them.`,
			`organisation Wexley Tours; window.start 2020-06-09; window.end 2020-06-30; affected.count 1204 persons; data-class name; data-class passport; data-class travel; cause misconfiguration; secondary-damage misuse none-confirmed`},
		{`On the afternoon of September 5, 2018, a laptop belonging to an auditor of Marlstone Insurance was taken from a locked car. Marlstone Insurance was informed of the theft the next day. The laptop was password-protected but not encrypted.`,
			`organisation Marlstone Insurance; window.start 2018-09-05; discovered 2018-09-06; cause theft`},
		{`Our records show that you bought tickets from Larkfield Arena online. We have been notified by our ticketing provider, Stubline, that malicious code was present on its checkout pages between June 1 and August 15, 2019. Stubline removed the code on August 16, 2019.`,
			`organisation Larkfield Arena; window.start 2019-06-01; window.end 2019-08-15; contained 2019-08-16; cause web-skimming`},
		{`We learned on Thursday, 20 May 2021 that an ex-employee kept a copy of our customer list when he left us in April and has offered it to a competitor. The list has company names, contact names and telephone numbers.`,
			`discovered 2021-05-20; data-class employer; data-class name; data-class phone; cause insider`},
		{`A coding error in our member portal caused some members of Heartwood Dental Plan to see the claims of other members. The error was introduced on November 2, 2016 and corrected on November 9, 2016. It came to our attention on November 8, 2016 when a member called.`,
			`organisation Heartwood Dental Plan; window.start 2016-11-02; contained 2016-11-09; discovered 2016-11-08; cause defect`},
		{`This letter is to notify you that your 1099 form was mailed to an old address on January 29, 2018. The form shows your name, Social Security number and the amount that Brightwater Royalty Partners LP paid you.`,
			`window.start 2018-01-29; data-class name; data-class national-id; cause misdelivery`},
		{`Cobbleton School District became aware on March 1, 2022 of unauthorized access to PupilBase, the student information system of our vendor. The intruder downloaded files with student names, grades, and disability status on December 28, 2021. No Social Security numbers were in the files.`,
			`organisation Cobbleton School District; discovered 2022-03-01; window.start 2021-12-28; data-class name; data-class education; cause intrusion`},
		{`We wanted you to know that our hosting company had a security problem. Attackers reached the database of our forum on 4th February 2012. They obtained your username, e-mail address and an MD5 hash of your password. Your password has been reset.`,
			`window.start 2012-02-04; data-class account-id; data-class email; data-class password:hashed; cause intrusion`},
		{`On 12 January 2023 we experienced a cyber incident which resulted in a third party accessing a file server. Having investigated, we wrote to all 5,600 affected employees on 3 March 2023. The Information Commissioner's Office has been informed.`,
			`window.start 2023-01-12; affected.count 5600 persons; persons-notified 2023-03-03; cause intrusion`},
		{`We regret to tell you that your Ashgrove Hotels guest account was accessed by someone other than you on 06/30/2020. From the account they could see your name, email, phone number, loyalty number and upcoming stays. They could not see your full card number.`,
			`organisation Ashgrove Hotels; window.start 2020-06-30; data-class name; data-class email; data-class phone; data-class account-id; cause intrusion`},
		{`In the course of an internal audit that ended in June 2011, the county found that a hard drive with payroll data could not be accounted for. It was last seen on February 14, 2011. It contained names, Social Security numbers and salaries of roughly 14,000 current and former employees.`,
			`affected.count 14000 persons about; data-class name; data-class national-id; data-class finances; cause lost-media`},
		{`Someone who pretended to be an executive asked for our employees' W-2 statements by email on February 2, 2017, and they were sent the same day. The fraud was discovered on February 6, 2017.`,
			`window.start 2017-02-02; discovered 2017-02-06; data-class finances; cause phishing`},
	} {
		res, err := Notice([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range res.Entries() {
			if !slices.Contains(measured, e.Key) {
				continue
			}
			s := e.Key + " " + valueOf(e)
			switch {
			case e.Status != "":
				s += " " + e.Status
			case strings.HasSuffix(e.Key, ".count"):
				s = e.Key + " " + strconv.FormatInt(e.Value.(int64), 10) + " " + e.Unit
				if e.Qualifier != "exact" {
					s += " " + e.Qualifier
				}
			}
			got = append(got, s)
		}
		want := strings.Split(c.want, "; ")
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%.40s: lacks %s", c.text, w)
			}
		}
		for _, g := range got {
			if !slices.Contains(want, g) {
				t.Errorf("%.40s: invents %s", c.text, g)
			}
		}
	}
}
