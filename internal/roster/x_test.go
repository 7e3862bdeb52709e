package roster
import ("testing";"strings";"time";"fmt")
func TestX(t *testing.T){
 for _,s:=range []string{strings.Repeat("[",250000), strings.Repeat("{a: ",60000), strings.Repeat("- ",120000), "columns: {email: mail}\nsets: [{when: '"+strings.Repeat("(",4000)+"', classes: [email]}]", "columns: {email: mail}\nsets: [{when: '"+strings.Repeat("not ",1000)+"x', classes: [email]}]", strings.Repeat("a: &a [*a,*a]\n",10000), "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\nindex: *g\n"}{
  t0:=time.Now(); _,err:=ParseRules("r",[]byte(s),knownClass); m:=fmt.Sprint(err); if len(m)>150 {m=m[:150]}; fmt.Println(time.Since(t0), m) }
}
