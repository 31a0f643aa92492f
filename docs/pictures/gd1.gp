# gnuplot gd1.gp > gd1.svg
# Simulations without noise at t_age = 5 Gyr, of configs/gd1-mock.yaml with noise_scale 0; the
# measured density of de Boer et al. (2020) as observation.c prepares it.
set terminal svg size 960,560 enhanced font 'Helvetica,15' background '#ffffff' linewidth 1.2
set encoding utf8
set datafile separator comma
set datafile columnheaders
set border linecolor rgb '#444444' linewidth 0.8
set tics textcolor rgb '#333333' nomirror out scale 0.6
set grid linecolor rgb '#e6e6e6' linewidth 0.6 linetype 1
set key top right horizontal textcolor rgb '#333333' samplen 2 spacing 1.15
data = 'gd1.csv'
set xrange [-34.5:10.5]
set lmargin 9
set rmargin 2
set ylabel 'density / mean'
set multiplot layout 2,1
set bmargin 1
set tmargin 1.5
set format x ''
set yrange [0:3.5]
plot data using 1:2 with lines lc rgb '#000000' lw 2 title 'm_{WDM} = 1 keV: no impact', \
     data using 1:3 with lines lc rgb '#0072b2' lw 2 title '10 keV', \
     data using 1:4 with lines lc rgb '#d55e00' lw 2 title '45 keV', \
     data using 1:5 with lines lc rgb '#d55e00' lw 1.5 dt 2 title '45 keV, another'
set bmargin 3.5
set tmargin 0.5
set format x '%g'
set xlabel 'φ_1 [deg]' offset 0,0.3
set yrange [0:2.2]
plot data using 1:6:7 with yerrorbars pt 7 ps 0.35 lc rgb '#666666' title 'GD-1, de Boer et al. (2020)', \
     data using 1:2 with lines lc rgb '#000000' lw 2 notitle
unset multiplot
