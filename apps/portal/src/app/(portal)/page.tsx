import { Home } from "#features/dashboard/home.tsx";

export default function HomePage() {
  return <Home />;
}
