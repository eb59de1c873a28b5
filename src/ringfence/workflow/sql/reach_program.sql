-- What a program that the test server starts can do; ``script`` is given on its argument list, one result a line.
COPY pg_temp.ringfence_reach (said) FROM PROGRAM {script}
